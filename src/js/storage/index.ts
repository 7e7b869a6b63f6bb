// The storage back ends, one row each, chosen by trying them.

import { isGecko } from "../features.ts";
import type { StorageChoice } from "../types.ts";
import { IndexedDbStorage } from "./indexeddb.ts";
import { MemoryStorage } from "./memory.ts";
import type { StorageBackEnd } from "./types.ts";

interface Row {
  open(): Promise<StorageBackEnd>;
  /** Part of `"auto"`. */
  lasting: boolean;
}

const BACK_ENDS: Record<Exclude<StorageChoice, "auto">, Row> = {
  opfs: {
    open: () => IndexedDbStorage.open(undefined, "opfs"),
    lasting: true,
  },
  indexeddb: { open: () => IndexedDbStorage.open(), lasting: true },
  memory: { open: async () => new MemoryStorage(), lasting: false },
};

/**
 * What is tried for `"auto"`, in this order. Firefox takes four times as long to write such files as Blobs in
 * IndexedDB, and twice as long to read them; Chromium is faster with files.
 */
function lasting(): Row[] {
  const rows = Object.values(BACK_ENDS).filter((row) => row.lasting);
  return isGecko() ? rows.reverse() : rows;
}

/** Undefined where the wanted back end does not work here; `reason` tells why. */
export async function openStorage(
  choice: StorageChoice,
): Promise<{ storage: StorageBackEnd | undefined; reason?: unknown }> {
  const rows = choice === "auto" ? lasting() : [BACK_ENDS[choice]];
  let reason: unknown;
  for (const row of rows) {
    try {
      return { storage: await row.open() };
    } catch (error) {
      reason = error;
    }
  }
  return { storage: undefined, reason };
}

/** Why nothing can be kept, and what to do: for a person to read. */
export function explain(reason: unknown): string {
  const { name, message } = (reason ?? {}) as Partial<Error>;
  const what =
    name === "SecurityError" ||
    name === "NotAllowedError" ||
    /denied permission/.test(message ?? "")
      ? "this browser is set not to let this site store data: allow cookies and site data for it"
      : name === "VersionError"
        ? "a newer version of this app has been here: reload the page to get it"
        : name === "InvalidStateError" || typeof indexedDB === "undefined"
          ? "this window stores nothing, as private windows do: open the page in an ordinary one"
          : name === "QuotaExceededError"
            ? "this device has no space left for this site: free some"
            : `the browser's storage does not work (${message ?? String(reason)}): close other tabs of this site, or restart the browser`;
  return `${what}. The model works now, and will be downloaded again next time`;
}
