// One of the engine's threads: joins the shared memory, says so, and then belongs to the engine for good.

import type { FromThread, ToThread } from "./protocol.ts";
import type { Glue } from "./wasm-interface.ts";

const scope = globalThis as unknown as {
  onmessage: ((message: MessageEvent<ToThread>) => void) | null;
  postMessage(message: FromThread): void;
};

scope.onmessage = async ({ data }) => {
  const { glue: url, module, memory, index } = data;
  let glue: Glue;
  try {
    glue = (await import(
      /* @vite-ignore */ /* webpackIgnore: true */ url
    )) as Glue;
    await glue.default({ module_or_path: module, memory });
    if (!glue.threadMain) throw new Error("this flavour has no threads");
  } catch (error) {
    scope.postMessage({ type: "failed", message: (error as Error).message });
    return;
  }
  // Before the call: nothing is sent from inside it.
  scope.postMessage({ type: "ready" });
  glue.threadMain(index);
};
