// Folders that tests make for themselves, and how they go.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder; `purpose` is part of its name. */
export function makeFolder(purpose) {
  return mkdtemp(join(tmpdir(), `smidgen-${purpose}-`));
}

/** Whatever has just ended may still write into it. */
export function removeFolder(folder) {
  return rm(folder, {
    recursive: true,
    force: true,
    maxRetries: 20,
    retryDelay: 100,
  });
}
