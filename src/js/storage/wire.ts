// What goes between the engine's worker and its storage thread.

import { SmidgenError, toWire, type WireError } from "../errors.ts";
import type { StorageBackEnd } from "./types.ts";

export type StorageMethod =
  | Extract<
      keyof StorageBackEnd,
      "append" | "readChunk" | "repairChunk" | "close"
    >
  | "open";

/** Bytes among `args` are lent. */
export interface ToStorage {
  id: number;
  name: StorageMethod;
  args: unknown[];
}

export type FromStorage =
  | { type: "ready" }
  | {
      id: number;
      value?: unknown;
      error?: StorageFailure;
      /** What was lent and is not part of the value. */
      lent?: ArrayBuffer | undefined;
    };

export interface StorageFailure extends WireError {
  /** Of a DOMException, which says what is wrong by its name. */
  name: string;
}

export function toStorageWire(error: unknown): StorageFailure {
  const name = error instanceof Error ? error.name : "Error";
  return { ...toWire(error, ""), name };
}

export function fromStorageWire(failure: StorageFailure): Error {
  const { name, message } = failure;
  if (failure.code) return SmidgenError.fromWire(failure);
  return new DOMException(message, name);
}
