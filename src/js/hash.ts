// SHA-256 in hexadecimal: of one buffer through the browser where it may, of a stream through a library.

import { sha256 } from "@noble/hashes/sha2.js";

/** Of one buffer. Pages without TLS have no `crypto.subtle`. */
export async function sha256Of(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  return hex(
    subtle
      ? new Uint8Array(await subtle.digest("SHA-256", bytes))
      : sha256(bytes),
  );
}

/** Of bytes that come one after the other, which the browser cannot hash. */
export class StreamHash {
  readonly #hash = sha256.create();

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): string {
    return hex(this.#hash.digest());
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
