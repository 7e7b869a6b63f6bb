// What this browser and page can run, found by validating the very opcodes the engine uses, and the flavours that follow.

import { SmidgenError } from "./errors.ts";
import type { Flavour } from "./types.ts";

export interface Features {
  simd128: boolean;
  relaxed: boolean;
  /** Shared memory that can be posted to workers. */
  threads: boolean;
  /** Logical cores, at least 1. */
  cores: number;
}

// (func (param v128 v128) (result v128) local.get 0 local.get 1 i32x4.dot_i16x8_s)
const SIMD128 = moduleOf(
  [0x60, 2, 0x7b, 0x7b, 1, 0x7b],
  [0x20, 0, 0x20, 1, 0xfd, 0xba, 0x01],
);

// (func (param v128 v128 v128) (result v128)
//   local.get 0 local.get 1 local.get 2 i32x4.relaxed_dot_i8x16_i7x16_add_s)
// The exact opcode: one engine validates other relaxed instructions and refuses this one.
const RELAXED = moduleOf(
  [0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b],
  [0x20, 0, 0x20, 1, 0x20, 2, 0xfd, 0x93, 0x02],
);

/** A module of one function: its type, and its body without the final `end`. All lengths stay below 128. */
function moduleOf(type: number[], body: number[]): Uint8Array<ArrayBuffer> {
  const code = [0, ...body, 0x0b];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, type.length + 1, 1, ...type],
    ...[3, 2, 1, 0],
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
}

export function detectFeatures(): Features {
  const simd128 = WebAssembly.validate(SIMD128);
  return {
    simd128,
    relaxed: simd128 && WebAssembly.validate(RELAXED),
    // Building a shared memory proves nothing: it succeeds where posting it fails.
    threads:
      globalThis.crossOriginIsolated === true &&
      typeof SharedArrayBuffer === "function",
    cores: Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1),
  };
}

/** More threads than this lose to the memory bus. */
const MAX_AUTO_THREADS = 8;

/** The number of threads in all that a request for `threads` means here. */
export function chooseThreads(
  features: Features,
  threads: number | "auto",
): number {
  if (!features.threads) return 1;
  if (threads !== "auto") return threads;
  // One core stays with the page.
  return Math.min(MAX_AUTO_THREADS, Math.max(1, features.cores - 1));
}

/** The flavours to try, best first. A later one is fetched only where an earlier one could not be started. */
export function chooseFlavours(
  features: Features,
  wanted: Flavour | "auto",
  threads: number,
): Flavour[] {
  if (!features.simd128) {
    throw new SmidgenError(
      "no_simd",
      "this browser has no WebAssembly SIMD, which the engine needs; update it (Safari 16.4, Chrome 91, Firefox 89 or newer)",
      { details: { features } },
    );
  }
  if (wanted !== "auto") {
    const missing =
      wanted.startsWith("relaxed") && !features.relaxed
        ? "this browser has no relaxed SIMD"
        : wanted.endsWith("-threads") && !features.threads
          ? "this page is not cross-origin isolated (it needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)"
          : undefined;
    if (missing !== undefined) {
      throw new SmidgenError(
        "flavour_unavailable",
        `the flavour ${wanted} cannot run here: ${missing}`,
        { details: { flavour: wanted, features } },
      );
    }
    return [wanted];
  }
  const single: Flavour[] = features.relaxed
    ? ["relaxed", "simd128"]
    : ["simd128"];
  if (threads === 1) return single;
  return [`${single[0]!}-threads` as Flavour, ...single];
}

/** Firefox, by its name: for what differs in speed, or comes to a stand now and then, which no feature tells. */
export function isGecko(): boolean {
  return / Gecko\/\d/.test(globalThis.navigator?.userAgent ?? "");
}
