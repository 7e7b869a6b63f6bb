// Models in and out of storage as files, without an engine: for devices that get them from each other, not from the network.

import { SmidgenError } from "../errors.ts";
import { StreamHash } from "../hash.ts";
import { readChunk } from "./reader.ts";
import type { FileRecord, StorageBackEnd } from "./types.ts";
import { FileWriter, newRecord } from "./writer.ts";

/** The stored file, every chunk checked. It stands on the stored chunks where the browser stores Blobs, and costs no memory. */
export async function exportModel(
  storage: StorageBackEnd,
  id: string,
): Promise<File> {
  const record = await storage.complete(id);
  if (!record) {
    throw new SmidgenError(
      "model_not_stored",
      `the model ${id} is not on this device`,
      { details: { id } },
    );
  }
  const parts: Blob[] = [];
  for (const [index, chunk] of record.chunks.entries()) {
    const bytes = await readChunk({ storage, record }, index);
    parts.push((await storage.chunkBlob(chunk!)) ?? new Blob([bytes]));
  }
  return new File(parts, record.name, { type: "application/octet-stream" });
}

/** Stores a file under `id`. All of it or nothing. */
export async function importModel(
  storage: StorageBackEnd,
  file: {
    blob: Blob;
    id: string;
    name: string;
    url?: string | undefined;
    sha256?: string | undefined;
  },
): Promise<FileRecord> {
  const { blob, id, name, url, sha256 } = file;
  const magic = await blob.slice(0, 4).text();
  if (magic !== "GGUF") {
    throw new SmidgenError(
      "not_gguf",
      `${name} is not a GGUF model: it does not begin with the letters GGUF`,
      { details: { name } },
    );
  }
  const record = newRecord({ id, name, url, totalBytes: blob.size });
  const hash = sha256 === undefined ? undefined : new StreamHash();
  await storage.begin(record);
  try {
    const writer = new FileWriter(storage, record);
    const { chunkBytes } = record;
    for (let index = 0; index * chunkBytes < blob.size; index++) {
      const start = index * chunkBytes;
      const bytes = new Uint8Array(
        await blob.slice(start, start + chunkBytes).arrayBuffer(),
      );
      hash?.update(bytes);
      void writer.write(index, bytes);
      await writer.room();
      if (writer.failure !== undefined) break;
    }
    const found = hash?.digest();
    if (writer.failure === undefined && found !== sha256) {
      throw new SmidgenError(
        "sha256_mismatch",
        `the SHA-256 of ${name} is ${found}, expected ${sha256}: it is not the file that was asked for`,
        { details: { found, expected: sha256 } },
      );
    }
    return await writer.commit({ totalBytes: blob.size, sha256 });
  } catch (error) {
    await storage.dropPartial(id).catch(() => {});
    if ((error as Error)?.name !== "QuotaExceededError") throw error;
    throw new SmidgenError(
      "storage_quota",
      `${name} does not fit this device's storage for this site: delete models you do not need, or free some space`,
      { cause: error },
    );
  }
}
