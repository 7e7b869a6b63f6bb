// How many of its threads the engine uses from step to step: measured while it works, because a core that somebody else uses is worse than none.

/** How one kind of step is watched. */
export interface Watch {
  /** Steps that a count is tried for. */
  steps: number;
  /** Steps between two trials at first, and at most; doubled each time that nothing changes. */
  interval: number;
  maxInterval: number;
  /** The other count's time must be this part of the present one's, or less. */
  gain: number;
}

/** Tokens one by one. */
export const DECODE: Watch = {
  steps: 3,
  interval: 16,
  maxInterval: 512,
  gain: 0.93,
};

/** Slices of a prompt, by time a token. A trial takes a short slice, which is dearer a token. */
export const PREFILL: Watch = {
  steps: 1,
  interval: 8,
  maxInterval: 64,
  gain: 0.8,
};

/** Tokens of a slice that is only a trial. */
export const TRIAL_TOKENS = 16;

/** A step so much slower than usual calls for a trial at once, and a trial so much slower is over. */
const ALARM = 1.35;

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Chooses between one thread and all for one kind of step, by the time that steps take. */
export class ThreadCount {
  readonly #all: number;
  readonly #watch: Watch;
  #using: number;
  #interval: number;
  /** Steps since the last trial. */
  #since: number;
  /** Times of the last steps with the count in use. */
  #recent: number[] = [];
  /** What is usual for the count in use, as of the last trial. */
  #usual: number | undefined;
  /** Times of the other count, while it is tried. */
  #trial: number[] | undefined;

  constructor(all: number, watch: Watch) {
    this.#all = all;
    this.#watch = watch;
    this.#using = all;
    this.#interval = watch.interval;
    // The first trial comes as soon as there is something to compare with.
    this.#since = watch.interval - watch.steps;
  }

  /** Threads for the next step. */
  get next(): number {
    return this.#trial ? this.#other : this.#using;
  }

  /** Whether the next step is only a trial of the other count. */
  get trying(): boolean {
    return this.#trial !== undefined;
  }

  get #other(): number {
    return this.#using === 1 ? this.#all : 1;
  }

  /** Begins with `threads`, which another kind of step has found best, where nothing is known of this kind yet. */
  suggest(threads: number): void {
    if (this.#usual === undefined && this.#recent.length === 0) {
      this.#using = threads;
    }
  }

  /** The count in use. */
  get using(): number {
    return this.#using;
  }

  /** What the step just done took, in any unit that is the same for all steps. */
  took(time: number): void {
    if (this.#all === 1) return;
    if (this.#trial) {
      this.#trial.push(time);
      const mine = mean(this.#recent);
      // Beside somebody who burns a core, steps of all threads are fast at times: to be taken up they must always be.
      const over =
        this.#using === 1 ? time >= mine : mean(this.#trial) > ALARM * mine;
      if (over || this.#trial.length === this.#watch.steps) {
        this.#judge(over ? Infinity : mean(this.#trial), mine);
      }
      return;
    }
    this.#since += 1;
    this.#recent.push(time);
    if (this.#recent.length < this.#watch.steps) return;
    if (this.#recent.length > this.#watch.steps) this.#recent.shift();
    const slow =
      this.#usual !== undefined && mean(this.#recent) > ALARM * this.#usual;
    if (slow || this.#since >= this.#interval) this.#trial = [];
  }

  #judge(other: number, mine: number): void {
    if (other < this.#watch.gain * mine) {
      this.#using = this.#other;
      this.#usual = other;
      this.#interval = this.#watch.interval;
    } else {
      this.#usual = mine;
      this.#interval = Math.min(this.#watch.maxInterval, 2 * this.#interval);
    }
    this.#trial = undefined;
    this.#recent = [];
    this.#since = 0;
  }
}
