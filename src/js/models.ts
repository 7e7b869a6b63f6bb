// The models on this device: list, delete, sizes, and the browser's promise to keep them. Each call uses a worker of its own.

import { Connection } from "./connection.ts";
import { SmidgenError } from "./errors.ts";
import type { CallName, Calls } from "./protocol.ts";
import type { StorageEstimate, StoredModel } from "./types.ts";

const DONE = new SmidgenError("unloaded", "the storage call has ended");

async function once<N extends CallName>(
  name: N,
  input: Calls[N]["in"],
): Promise<Calls[N]["out"]> {
  const connection = new Connection();
  try {
    return await connection.call(name, input);
  } finally {
    connection.close(DONE);
  }
}

export const models = {
  /** Complete models and downloads that stopped on their way, newest use first. */
  list(): Promise<StoredModel[]> {
    return once("listModels", { storage: "auto" });
  },
  /** False when there was no such model. */
  delete(id: string): Promise<boolean> {
    return once("deleteModel", { storage: "auto", id });
  },
  estimate(): Promise<StorageEstimate> {
    return once("estimate", { storage: "auto" });
  },
  /** Asks the browser not to evict this origin's data. Some browsers ask the user; call it on a user's action. */
  async persist(): Promise<boolean> {
    // Workers cannot ask, so this one runs on the page.
    if (typeof navigator.storage?.persist !== "function") return false;
    return navigator.storage.persist();
  },
};
