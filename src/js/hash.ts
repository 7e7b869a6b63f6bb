// SHA-256 in hexadecimal: of one buffer, at once or in leaves, through the browser where it may, of a stream through a library.

import { sha256 } from "@noble/hashes/sha2.js";

const HASH_BYTES = 32;

/** Of one buffer. */
export async function sha256Of(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  return hex(await digest(bytes));
}

/** Of the SHA-256s of its leaves, one behind the other: of `leafBytes` each, the last one shorter. */
export async function leavesSha256Of(
  bytes: Uint8Array<ArrayBuffer>,
  leafBytes: number,
): Promise<string> {
  const leaves: Promise<Uint8Array<ArrayBuffer>>[] = [];
  for (let at = 0; at < bytes.length; at += leafBytes) {
    leaves.push(digest(bytes.subarray(at, at + leafBytes)));
  }
  const hashes = await Promise.all(leaves);
  const list = new Uint8Array(hashes.length * HASH_BYTES);
  hashes.forEach((hash, index) => list.set(hash, index * HASH_BYTES));
  return sha256Of(list);
}

/** Pages without TLS have no `crypto.subtle`. */
async function digest(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const subtle = globalThis.crypto?.subtle;
  return subtle
    ? new Uint8Array(await subtle.digest("SHA-256", bytes))
    : (sha256(bytes) as Uint8Array<ArrayBuffer>);
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
