// A model's text, as it comes → what was thought, said and called. Holds back only what may still turn into something else.

import { beginningOfCall, parseCalls } from "./tool-calls.ts";
import type { ToolFormat } from "./tool-formats.ts";

export type ReplyPart =
  | { type: "reasoning"; text: string }
  | { type: "content"; text: string }
  | { type: "call"; index: number; name: string }
  | { type: "arguments"; index: number; text: string };

const THINK = "<think>";
const THOUGHT = "</think>";

type State = "start" | "reasoning" | "content" | "call";

export class ReplyParts {
  readonly #format: ToolFormat | undefined;
  #state: State;
  #held = "";
  #calls = 0;
  /** Of the call under way: how much of its arguments has been told. */
  #told: number | undefined;
  /** Whether white space that comes next only separates. */
  #gap = false;

  /**
   * `format`: undefined where no tool may be called. `tail`: the prompt's end, which may have opened the thoughts.
   */
  constructor(format: ToolFormat | undefined, tail: string) {
    this.#format = format;
    this.#state = tail.trimEnd().endsWith(THINK) ? "reasoning" : "start";
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  /** `control`: the name of a control token, which is text only where it is markup of calls. */
  push(text: string, control?: string): ReplyPart[] {
    const { open, close, skip } = this.#format ?? {};
    const markup =
      control !== undefined &&
      [open, close, skip, "[ARGS]", THINK, THOUGHT].includes(control);
    this.#held += markup ? text + control : text;
    return this.#drain(false);
  }

  /** What was held back, at the reply's end. */
  end(): ReplyPart[] {
    return this.#drain(true);
  }

  #drain(ended: boolean): ReplyPart[] {
    const parts: ReplyPart[] = [];
    for (;;) {
      const before = this.#state;
      const more = this.#step(ended, parts);
      if (!more && this.#state === before) break;
    }
    return parts.filter((part) => part.type === "call" || part.text !== "");
  }

  /** One step; whether there may be another. */
  #step(ended: boolean, parts: ReplyPart[]): boolean {
    if (this.#gap) {
      this.#held = this.#held.trimStart();
      if (this.#held === "") return false;
      this.#gap = false;
    }
    switch (this.#state) {
      case "start":
        return this.#start(ended, parts);
      case "reasoning": {
        const thought = this.#until(THOUGHT, ended);
        parts.push({ type: "reasoning", text: thought.text });
        if (!thought.found) return false;
        this.#gap = true;
        this.#state = "start";
        return true;
      }
      case "content": {
        const open = this.#format?.open;
        if (open === undefined) {
          parts.push({ type: "content", text: this.#take(this.#held.length) });
          return false;
        }
        const said = this.#until(open, ended);
        parts.push({ type: "content", text: said.text });
        if (!said.found) return false;
        this.#state = "call";
        return true;
      }
      case "call":
        return this.#call(ended, parts);
    }
  }

  /** At the beginning a reply may be thoughts, a call without a marker, or neither. */
  #start(ended: boolean, parts: ReplyPart[]): boolean {
    const text = this.#held.trimStart();
    if (text === "" && !ended) return false;
    const skip = this.#format?.skip;
    for (const [mark, state] of [
      [THINK, "reasoning"],
      [skip, "call"],
    ] as const) {
      if (mark === undefined) continue;
      if (text.startsWith(mark)) {
        this.#held = text.slice(mark.length);
        this.#state = state;
        return true;
      }
      if (!ended && mark.startsWith(text)) return false;
    }
    const bare = this.#format !== undefined && this.#format.open === undefined;
    if (bare && /^(?:[{[]|[\w.-]+\()/.test(text)) {
      this.#state = "call";
      return true;
    }
    if (bare && !ended && /^[\w.-]*$/.test(text)) return false;
    this.#state = "content";
    parts.push({ type: "content", text: "" });
    return true;
  }

  #call(ended: boolean, parts: ReplyPart[]): boolean {
    const close = this.#format?.close;
    const end = close === undefined ? -1 : this.#held.indexOf(close);
    const whole = end >= 0 || ended;
    const body = end >= 0 ? this.#held.slice(0, end) : this.#held;
    if (!whole || this.#told !== undefined) this.#tell(body, parts);
    if (!whole) return false;

    const calls = parseCalls(body);
    const told = this.#told === undefined ? 0 : 1;
    for (const call of calls?.slice(told) ?? []) {
      const index = this.#calls++;
      parts.push({ type: "call", index, name: call.name });
      parts.push({ type: "arguments", index, text: call.arguments });
    }
    if (!calls && !told) {
      // No call after all: it is shown as it was written.
      const text =
        (this.#format?.open ?? "") + (end >= 0 ? body + close : body);
      if (text.trim() !== "") parts.push({ type: "content", text });
    }
    this.#told = undefined;
    this.#held = end >= 0 ? this.#held.slice(end + close!.length) : "";
    this.#gap = calls !== undefined;
    this.#state = "content";
    return this.#held !== "";
  }

  /** Tells as much of a JSON call as has come. */
  #tell(body: string, parts: ReplyPart[]): void {
    const begun = beginningOfCall(body);
    if (!begun) return;
    if (this.#told === undefined) {
      parts.push({ type: "call", index: this.#calls++, name: begun.name });
      this.#told = 0;
    }
    const text = begun.arguments.slice(this.#told);
    parts.push({ type: "arguments", index: this.#calls - 1, text });
    this.#told = begun.arguments.length;
  }

  /** Text up to `mark`, or as much of it as cannot be the mark's beginning. */
  #until(mark: string, ended: boolean): { text: string; found: boolean } {
    const at = this.#held.indexOf(mark);
    if (at >= 0) {
      const text = this.#take(at);
      this.#held = this.#held.slice(mark.length);
      return { text, found: true };
    }
    let keep = ended ? 0 : Math.min(mark.length - 1, this.#held.length);
    while (keep > 0 && !mark.startsWith(this.#held.slice(-keep))) keep--;
    return { text: this.#take(this.#held.length - keep), found: false };
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}
