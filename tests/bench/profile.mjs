// A folder for a browser's profile, while it is needed.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @template T @param {(profile: string) => Promise<T>} work */
export async function withProfile(work) {
  const profile = await mkdtemp(join(tmpdir(), "smidgen-bench-"));
  try {
    return await work(profile);
  } finally {
    await rm(profile, {
      recursive: true,
      force: true,
      maxRetries: 20,
      retryDelay: 100,
    });
  }
}
