// The storing side of a load: whatever goes wrong in it is a warning that says what to do, and the load goes on in memory.

import { toWire } from "./errors.ts";
import { deletableModels, deleteOldest, freeBytes } from "./storage/room.ts";
import {
  storedBytes,
  type ChunkBytes,
  type FileRecord,
  type StorageBackEnd,
} from "./storage/types.ts";
import { FileWriter } from "./storage/writer.ts";
import type { Warning } from "./types.ts";

export interface KeeperOptions {
  storage: StorageBackEnd | undefined;
  /** The caller's consent to delete other models, least recently used first, where this one does not fit. */
  makeRoom: boolean;
  warn(warning: Warning): void;
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #record: FileRecord;
  #writer: FileWriter | undefined;
  #failed = false;
  /** What is needed and free, where that is known. */
  #figures = "";

  /** `begun`: the record is a partial one whose chunks stand. Chunks may be written at once: they wait for room and record. */
  constructor(options: KeeperOptions, record: FileRecord, begun: boolean) {
    this.#options = options;
    this.#record = record;
    const { storage } = options;
    if (!storage) return;
    this.#writer = new FileWriter(
      storage,
      record,
      (bytes) => this.#makeRoom(bytes),
      this.#begin(storage, begun),
    );
  }

  async #begin(storage: StorageBackEnd, begun: boolean): Promise<void> {
    const needed = (this.#record.totalBytes ?? 0) - storedBytes(this.#record);
    const free = storage.shared ? await freeBytes() : undefined;
    if (free !== undefined && free < needed) {
      await this.#makeRoom(needed - free);
      const left = await freeBytes();
      if (left !== undefined && left < needed) {
        this.#figures = ` (${megabytes(needed)} are needed and ${megabytes(left)} are free)`;
        throw new DOMException("", "QuotaExceededError");
      }
    }
    if (!begun) await storage.begin(this.#record);
  }

  /** Resolves when the bytes are the caller's again. Never rejects. */
  async write(index: number, bytes: ChunkBytes): Promise<void> {
    await this.#writer?.write(index, bytes);
    const failure = this.#writer?.failure;
    if (failure !== undefined) await this.#giveUp(failure);
  }

  /** To be waited for before the next chunk is brought, so that storing keeps up. */
  async room(): Promise<void> {
    await this.#writer?.room();
  }

  /** Whether the file is complete in storage, once the chunks under way are too; a plain false where nothing is stored. Never rejects. */
  commit(totalBytes: number, sha256?: string): false | Promise<boolean> {
    const writer = this.#writer;
    if (!writer) return false;
    return writer.commit({ totalBytes, sha256 }).then(
      () => true,
      async (error: unknown) => {
        await this.#giveUp(error);
        return false;
      },
    );
  }

  /** Leaves the durable chunks for a later load to go on from. */
  async settle(): Promise<void> {
    await this.#writer?.settle();
    this.#writer = undefined;
  }

  /** Removes what was stored of this attempt. */
  async drop(): Promise<void> {
    await this.settle();
    const { storage } = this.#options;
    await storage?.dropPartial(this.#record.id).catch(() => {});
  }

  async #makeRoom(bytes: number): Promise<boolean> {
    const { storage, makeRoom, warn } = this.#options;
    if (!storage || !makeRoom) return false;
    const names = await deleteOldest(storage, bytes, this.#record.id);
    if (names.length === 0) return false;
    warn({
      code: "storage_made_room",
      message: `to make room for ${this.#record.name}, these models were deleted from this device: ${names.join(", ")}`,
    });
    return true;
  }

  async #giveUp(error: unknown): Promise<void> {
    // Several chunks may be under way when the first one fails.
    if (this.#failed) return;
    this.#failed = true;
    await this.settle();
    const { storage, warn } = this.#options;
    if ((error as Error)?.name !== "QuotaExceededError") {
      warn({
        code: "storage_failed",
        message: `the model could not be stored (${toWire(error, "").message}); it works now, but will be downloaded again next time`,
      });
      return;
    }
    const deletable = storage
      ? await deletableModels(storage, this.#record.id).catch(() => [])
      : [];
    const advice =
      deletable.length > 0
        ? `delete a model you do not need (${deletable
            .slice(0, 3)
            .map(({ name, bytes }) => `${name}, ${megabytes(bytes)}`)
            .join("; ")}), or free some space on the device`
        : "free some space on the device";
    warn({
      code: "storage_quota",
      message: `the model does not fit this device's storage for this site${this.#figures}; it works now, but what could not be stored will be downloaded again next time: ${advice}`,
    });
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
