// How much memory all models of this page may take together: over it the least recently used ones that do nothing give theirs back, and load again with their next call.

export interface Resident {
  /** Of a model in memory; 0 where it has given its memory back. */
  readonly residentBytes: number;
  /** By the clock of `performance.now`. */
  readonly usedAt: number;
  /** Whether it does nothing now, and comes back from this device without the network. */
  readonly canRest: boolean;
  rest(): Promise<void>;
}

/**
 * Over the bound the least recently used models that do nothing give their memory back, and are read again from this
 * device by their next call; what they held of conversations is then evaluated anew.
 */
export interface MemoryLimit {
  /** Bytes of all models together; `Infinity` at first. Takes effect at once. */
  bytes: number;
  /** What the models in memory take, by their plans. */
  readonly usedBytes: number;
}

class MemoryBudget implements MemoryLimit {
  readonly #residents = new Set<Resident>();
  #bytes = Infinity;

  set bytes(bytes: number) {
    if (typeof bytes !== "number" || !(bytes >= 0)) {
      throw new RangeError(
        `the memory budget is ${String(bytes)}, expected a number of bytes`,
      );
    }
    this.#bytes = bytes;
    void this.keep();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get usedBytes(): number {
    let sum = 0;
    for (const { residentBytes } of this.#residents) sum += residentBytes;
    return sum;
  }

  add(resident: Resident): void {
    this.#residents.add(resident);
    void this.keep(resident);
  }

  remove(resident: Resident): void {
    this.#residents.delete(resident);
  }

  /** Sees to the bound; `newest` stays. */
  async keep(newest?: Resident): Promise<void> {
    while (this.usedBytes > this.#bytes) {
      const idle = [...this.#residents].filter(
        (one) => one !== newest && one.residentBytes > 0 && one.canRest,
      );
      if (idle.length === 0) return;
      idle.sort((a, b) => a.usedAt - b.usedAt);
      await idle[0]!.rest();
    }
  }
}

/** Of this page. */
export const memory = new MemoryBudget();
