// Fields of a request body, each checked: the value, undefined where it is missing or null, or OpenAI's error.

import { SmidgenError } from "./errors.ts";
import type { ErrorBody } from "./openai-types.ts";

/** A request that OpenAI's servers would answer with a status of 4xx. */
export class RequestError extends SmidgenError {
  readonly status: number;
  readonly type = "invalid_request_error";
  readonly param: string | null;

  constructor(
    code: string,
    param: string | null,
    message: string,
    status = 400,
  ) {
    super(code, message, { details: { param, status } });
    this.status = status;
    this.param = param;
  }

  get error(): ErrorBody["error"] {
    const { message, type, param, code } = this;
    return { message, type, param, code };
  }
}

export type Fields = Record<string, unknown>;

export function number(
  body: Fields,
  field: string,
  min: number,
  max: number,
): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  const range = `a number from ${min} to ${max}`;
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw wrongType(field, range);
  }
  checkBounds("decimal", field, value, { min, max, range });
  return value;
}

export function integer(
  body: Fields,
  field: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  const most = max === Number.MAX_SAFE_INTEGER ? " or more" : ` to ${max}`;
  const range = `a whole number, ${min}${most}`;
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw wrongType(field, range);
  }
  checkBounds("integer", field, value, { min, max, range });
  return value;
}

function checkBounds(
  kind: "integer" | "decimal",
  field: string,
  value: number,
  { min, max, range }: { min: number; max: number; range: string },
): void {
  if (value >= min && value <= max) return;
  const side = value < min ? "below_min" : "above_max";
  throw new RequestError(
    `${kind}_${side}_value`,
    field,
    `${field} is ${value}, expected ${range}`,
  );
}

export function flag(body: Fields, field: string): boolean | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw wrongType(field, "true or false");
  return value;
}

export function fields(body: Fields, field: string): Fields | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) throw wrongType(field, "an object");
  return value;
}

export function wrongValue(
  param: string,
  value: unknown,
  expected: string,
): RequestError {
  return new RequestError(
    "invalid_value",
    param,
    `${param} is ${show(value)}, expected ${expected}`,
  );
}

export function wrongType(param: string, expected: string): RequestError {
  return new RequestError(
    "invalid_type",
    param,
    `${param} is not what it should be: ${expected}`,
  );
}

export function missing(param: string): RequestError {
  return new RequestError(
    "missing_required_parameter",
    param,
    `${param} is missing, and nothing can be done without it`,
  );
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isFields(value) && Object.keys(value).length === 0;
}

/** A value in a message, short whatever it is. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
