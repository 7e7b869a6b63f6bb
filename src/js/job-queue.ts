// One job at a time, in the order they came; each can be cancelled while it waits and while it runs.

import { aborted } from "./errors.ts";

interface Job {
  id: number;
  controller: AbortController;
  run(signal: AbortSignal): Promise<void>;
  refuse(reason: Error): void;
}

export class JobQueue {
  readonly #waiting: Job[] = [];
  #running: Job | undefined;

  /** `run` reports its own result and never rejects; `refuse` is called instead where the job is cancelled before it runs. */
  add(
    id: number,
    run: (signal: AbortSignal) => Promise<void>,
    refuse: (reason: Error) => void,
  ): void {
    this.#waiting.push({ id, run, refuse, controller: new AbortController() });
    if (!this.#running) void this.#work();
  }

  cancel(id: number): void {
    if (this.#running?.id === id) {
      this.#running.controller.abort(aborted("the call"));
      return;
    }
    const index = this.#waiting.findIndex((job) => job.id === id);
    if (index < 0) return;
    const [job] = this.#waiting.splice(index, 1);
    job!.refuse(aborted("the call"));
  }

  async #work(): Promise<void> {
    for (;;) {
      this.#running = this.#waiting.shift();
      if (!this.#running) return;
      await this.#running.run(this.#running.controller.signal);
    }
  }
}
