// A connection to a worker that holds a model: one of this tab's own or the leading tab's, made anew after the page was put aside.

import { Connection } from "./connection.ts";
import { unloaded, WORKER_REPLACED, type SmidgenError } from "./errors.ts";
import { whenShown } from "./page-aside.ts";
import type { LoadRequest } from "./protocol.ts";
import { connectShared, type Loaded, type LoadWatch } from "./shared-tabs.ts";
import { wakeStorage } from "./storage-wake.ts";

export async function connectModel(
  request: LoadRequest,
  watch: LoadWatch,
  shared: boolean,
): Promise<Loaded> {
  for (;;) {
    await whenShown();
    if (request.cache) wakeStorage();
    try {
      return await (shared ? connectShared : connectAlone)(request, watch);
    } catch (error) {
      if ((error as SmidgenError).code !== WORKER_REPLACED) throw error;
    }
  }
}

async function connectAlone(
  request: LoadRequest,
  watch: LoadWatch,
): Promise<Loaded> {
  const connection = new Connection();
  try {
    return {
      connection,
      result: await connection.call("load", request, watch),
    };
  } catch (error) {
    // An aborted download first puts away what has arrived, so that the next load goes on from there.
    if (watch.signal?.aborted)
      setTimeout(() => connection.close(unloaded()), 2000);
    else connection.close(unloaded());
    throw error;
  }
}
