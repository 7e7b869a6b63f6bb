// The models on this device: list, delete, sizes, and the browser's promise to keep them. Each call uses a worker of its own.

import { Connection } from "./connection.ts";
import { toWireSource } from "./model-source.ts";
import { toKnownSource } from "./named-source.ts";
import { SmidgenError, WORKER_REPLACED } from "./errors.ts";
import { whenShown } from "./page-aside.ts";
import type { CallName, Calls, WireFile } from "./protocol.ts";
import type { ModelSource, StorageEstimate, StoredModel } from "./types.ts";

const DONE = new SmidgenError("unloaded", "the storage call has ended");

async function once<N extends CallName>(
  name: N,
  input: Calls[N]["in"],
): Promise<Calls[N]["out"]> {
  for (;;) {
    await whenShown();
    const connection = new Connection();
    try {
      return await connection.call(name, input);
    } catch (error) {
      if ((error as SmidgenError).code !== WORKER_REPLACED) throw error;
    } finally {
      connection.close(DONE);
    }
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
  /** Keeps `makeRoom` from deleting the model, or lets it again. False when there is no such complete model. */
  pin(id: string, pinned = true): Promise<boolean> {
    return once("pinModel", { storage: "auto", id, pinned });
  },
  /** How much room there is. With a source also whether it fits; asks its server for the size where that is not known. */
  async estimate(source?: ModelSource): Promise<StorageEstimate> {
    return once("estimate", {
      storage: "auto",
      ...(source === undefined ? {} : { source: await toKnownSource(source) }),
    });
  },
  /** The stored model as a file to save or share, every chunk checked. */
  export(id: string): Promise<File> {
    return once("exportModel", { storage: "auto", id });
  },
  /**
   * Stores a file without loading it and resolves with its `id`. `as`: the address or catalogue name that later loads
   * give, so that they find this copy; with a `sha256` a file that differs is refused.
   */
  async import(
    file: Blob,
    as?: string | URL | { url: string | URL; sha256?: string },
  ): Promise<string> {
    const own = toWireSource(file) as Extract<WireFile, { kind: "blob" }>;
    const address = as === undefined ? undefined : await toKnownSource(as);
    const { blob, id, name } = own;
    if (address?.kind !== "url") {
      return once("importModel", { storage: "auto", blob, id, name });
    }
    const { kind: _, ...named } = address;
    return once("importModel", {
      storage: "auto",
      blob,
      name,
      id: named.url,
      ...named,
    });
  },
  /** Asks the browser not to evict this origin's data. Some browsers ask the user; call it on a user's action. */
  async persist(): Promise<boolean> {
    // Workers cannot ask, so this one runs on the page.
    if (typeof navigator.storage?.persist !== "function") return false;
    return navigator.storage.persist();
  },
};
