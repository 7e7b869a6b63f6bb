// Jobs in the order they came: some alone, some several at a time, some at once; each can be cancelled while it waits and while it runs.

import { aborted } from "./errors.ts";

/** `alone`: with no other job; `beside`: with others like it; `aside`: at once, as it touches nothing that others do. */
export type Manner = "alone" | "beside" | "aside";

export interface Job {
  id: number;
  manner: Manner;
  /** Reports its own result and never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Called instead where the job is cancelled before it runs. */
  refuse(reason: Error): void;
}

interface Running {
  manner: Manner;
  controller: AbortController;
}

export class JobQueue {
  readonly #waiting: Job[] = [];
  readonly #running = new Map<number, Running>();
  /** Jobs that run beside each other at most. */
  #most = 1;

  set most(count: number) {
    this.#most = count;
    this.#work();
  }

  add(job: Job): void {
    if (job.manner === "aside") this.#run(job);
    else {
      this.#waiting.push(job);
      this.#work();
    }
  }

  cancel(id: number): void {
    const running = this.#running.get(id);
    if (running) {
      running.controller.abort(aborted("the call"));
      return;
    }
    const index = this.#waiting.findIndex((job) => job.id === id);
    if (index < 0) return;
    const [job] = this.#waiting.splice(index, 1);
    job!.refuse(aborted("the call"));
    // Those behind it may be of another manner.
    this.#work();
  }

  #work(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (!next || !this.#fits(next)) return;
      this.#waiting.shift();
      this.#run(next);
    }
  }

  #fits({ manner }: Job): boolean {
    const others = [...this.#running.values()].filter(
      (job) => job.manner !== "aside",
    );
    return manner === "beside"
      ? others.length < this.#most &&
          others.every((job) => job.manner === "beside")
      : others.length === 0;
  }

  #run({ id, manner, run }: Job): void {
    const controller = new AbortController();
    this.#running.set(id, { manner, controller });
    void run(controller.signal).finally(() => {
      this.#running.delete(id);
      this.#work();
    });
  }
}
