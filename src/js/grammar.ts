// Grammars in the worker: fetches their module with the first one, keeps the vocabulary's trie, and survives its traps.

import { isAbort, SmidgenError } from "./errors.ts";
import { startGrammar } from "./instantiate.ts";
import type { Grammar } from "./types.ts";
import type { Constraint, Engine, Vocabulary } from "./wasm-interface.ts";

export class Grammars {
  readonly #engine: Engine;
  readonly #base: string | undefined;
  #vocabulary: Vocabulary | undefined;
  /** Modules that have trapped. */
  #broken = 0;

  constructor(engine: Engine, base: string | undefined) {
    this.#engine = engine;
    this.#base = base;
  }

  /** The constraint of one reply; free it at its end. */
  async constrain(grammar: Grammar, signal: AbortSignal): Promise<Constraint> {
    try {
      if (!this.#vocabulary) {
        const glue = await startGrammar(this.#base, this.#broken, signal);
        this.#vocabulary = new glue.Vocabulary(this.#engine.vocabulary());
      }
      return guarded(
        this.#vocabulary.constrain(JSON.stringify(grammar)),
        (error) => this.#explain(error),
      );
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** A trap of this module is the grammar's fault, not the engine's: the next grammar gets a fresh module. */
  #explain(error: unknown): unknown {
    if (isAbort(error) || typeof codeOf(error) === "string") return error;
    this.#vocabulary = undefined;
    this.#broken++;
    return new SmidgenError(
      "bad_grammar",
      `the grammar cannot be used: it is too large or contradicts itself (${(error as Error).message})`,
      { cause: error },
    );
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

function guarded(
  constraint: Constraint,
  explain: (error: unknown) => unknown,
): Constraint {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw explain(error);
    }
  };
  return {
    mask: () => attempt(() => constraint.mask()),
    accept: (id) => attempt(() => constraint.accept(id)),
    // After a trap the module is gone, and with it what there was to free.
    free: () => {
      try {
        constraint.free();
      } catch {}
    },
  };
}
