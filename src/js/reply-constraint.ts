// What limits the tokens of one reply: a grammar from its start, or one that begins to rule once the reply has written its opening.

import type { GrammarAfter } from "./types.ts";
import type { Constraint } from "./wasm-interface.ts";

export interface ReplyConstraint {
  /** A bit for each token that may come next; undefined where any may. */
  mask(): Uint32Array | undefined;
  /** Takes the token that was chosen; a promise where the reply has to wait for it. */
  accept(token: { id: number; control?: string }): Promise<void> | undefined;
  free(): void;
}

/** A grammar for the whole reply. */
export function wholeReply(constraint: Constraint): ReplyConstraint {
  return {
    mask: () => constraint.mask(),
    accept: ({ id }) => {
      constraint.accept(id);
      return undefined;
    },
    free: () => constraint.free(),
  };
}

/** What the constraint asks of the engine. */
export interface Spelling {
  tokenize(text: string): Iterable<number>;
  detokenize(id: number): string;
}

/** Longer than any opening: what is remembered of a reply that has written none. */
const REMEMBERED = 256;

export class AfterOpening implements ReplyConstraint {
  readonly #rule: GrammarAfter;
  readonly #constrain: () => Promise<Constraint>;
  readonly #spelling: Spelling;
  #ruling: Constraint | undefined;
  /** The end of what the reply has written since a grammar ruled. */
  #written = "";
  #over = false;
  #freed = false;

  constructor(
    rule: GrammarAfter,
    constrain: () => Promise<Constraint>,
    spelling: Spelling,
  ) {
    this.#rule = rule;
    this.#constrain = constrain;
    this.#spelling = spelling;
  }

  mask(): Uint32Array | undefined {
    return this.#ruling?.mask();
  }

  accept({
    id,
    control,
  }: {
    id: number;
    control?: string;
  }): Promise<void> | undefined {
    if (this.#over) return undefined;
    if (this.#ruling) {
      const complete = this.#ruling.accept(id);
      if (complete && this.#rule.again) {
        this.#ruling.free();
        this.#ruling = undefined;
        this.#written = "";
      }
      return undefined;
    }
    this.#written += control ?? this.#spelling.detokenize(id);
    const { after, included = false } = this.#rule;
    const written = this.#written;
    for (const opening of after) {
      const at = written.indexOf(opening);
      // An opening that is part of the grammar is one only where the reply begins.
      if (at < 0 || (included && written.slice(0, at).trim() !== "")) continue;
      return this.#begin(written.slice(included ? at : at + opening.length));
    }
    if (included) this.#over = written.length > REMEMBERED;
    else this.#written = written.slice(-REMEMBERED);
    return undefined;
  }

  /** `rest`: what the reply has written already of what the grammar rules. */
  async #begin(rest: string): Promise<void> {
    try {
      const constraint = await this.#constrain();
      if (this.#freed) constraint.free();
      else this.#ruling = constraint;
      for (const id of rest === "" ? [] : this.#spelling.tokenize(rest)) {
        constraint.accept(id);
      }
    } catch {
      // A schema beyond this module, or a call that has begun otherwise: the reply goes on as it would have without.
      this.#over = true;
      this.#release();
    }
  }

  #release(): void {
    this.#ruling?.free();
    this.#ruling = undefined;
  }

  free(): void {
    this.#freed = true;
    this.#release();
  }
}
