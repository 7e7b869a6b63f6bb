// What programs hand to a loaded model, checked on the page: nothing of another type reaches the engine.

import { SmidgenError } from "./errors.ts";

export function badArgument(
  name: string,
  value: unknown,
  expected: string,
): SmidgenError {
  const found = Array.isArray(value) ? "an array" : typeof value;
  return new SmidgenError(
    "bad_argument",
    `${name} is ${typeof value === "object" || typeof value === "function" ? found : String(value)}, expected ${expected}`,
  );
}

export function text(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw badArgument(name, value, "a text");
}

export function texts(name: string, value: unknown): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) {
    return value;
  }
  throw badArgument(name, value, "an array of texts");
}

/** Token ids of a vocabulary of `count`. */
export function tokenIds(
  name: string,
  value: ArrayLike<number>,
  count: number,
): number[] {
  const listed = Array.isArray(value) || ArrayBuffer.isView(value);
  const ids = listed ? Array.from(value) : undefined;
  if (ids?.every((id) => Number.isInteger(id) && id >= 0 && id < count)) {
    return ids;
  }
  throw badArgument(name, value, `an array of token ids, each below ${count}`);
}

export function oneOf<T extends string>(
  name: string,
  value: T,
  choices: readonly string[],
): T {
  if (choices.includes(value)) return value;
  throw badArgument(name, value, choices.join(", "));
}

/** A request as it crosses to the worker: what has no form there is refused here. */
export function plain<T extends object>(name: string, value: T): T {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    try {
      return JSON.parse(JSON.stringify(value)) as T;
    } catch {
      // A circle or a bigint.
    }
  }
  throw badArgument(name, value, "an object of plain values");
}
