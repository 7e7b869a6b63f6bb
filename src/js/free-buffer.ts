// Memory that goes back at once. A collection would find it too, but a worker that only computes in wasm seldom comes to one.

interface Transferable {
  /** Not in every browser yet, nor in TypeScript's library for this target. */
  transfer?(newByteLength: number): ArrayBuffer;
}

/** Nobody may use the buffer any more. */
export function freeBuffer(buffer: ArrayBuffer): void {
  (buffer as Transferable).transfer?.(0);
}
