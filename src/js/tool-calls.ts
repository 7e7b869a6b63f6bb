// Text of a tool call → its name and arguments, in every notation that models use: JSON, a name before JSON, XML tags, Python.

/** A call as the model wrote it. */
export interface WrittenCall {
  name: string;
  /** JSON. */
  arguments: string;
}

/** Calls in `text`, or undefined where it is not calls and nothing else. */
export function parseCalls(text: string): WrittenCall[] | undefined {
  const body = text.trim();
  if (body === "") return undefined;
  return (
    fromJson(body) ??
    fromNamedJson(body) ??
    fromTags(body) ??
    fromPython(body) ??
    undefined
  );
}

/** `{…}`, `[{…}, {…}]`, or objects after each other with `;`, commas or nothing between. */
function fromJson(body: string): WrittenCall[] | undefined {
  const whole = tryJson(body);
  if (whole !== undefined) {
    return allOf((Array.isArray(whole) ? whole : [whole]).map(fromObject));
  }
  const objects: unknown[] = [];
  let rest = body;
  while (rest !== "") {
    const end = endOfJson(rest);
    if (rest[0] !== "{" || end === undefined) return undefined;
    objects.push(tryJson(rest.slice(0, end)));
    rest = rest.slice(end).replace(/^[\s;,]+/, "");
  }
  return allOf(objects.map(fromObject));
}

function fromObject(value: unknown): WrittenCall | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const call = value as Record<string, unknown>;
  const inner = call["function"];
  if (typeof inner === "object" && inner !== null) return fromObject(inner);
  const name = call["name"] ?? inner;
  if (typeof name !== "string" || name === "") return undefined;
  const given = call["arguments"] ?? call["parameters"] ?? {};
  const parsed = typeof given === "string" ? tryJson(given) : given;
  if (typeof parsed !== "object" || parsed === null) return undefined;
  return { name, arguments: JSON.stringify(parsed) };
}

/** `name[ARGS]{…}` and `name{…}`, one or several. */
function fromNamedJson(body: string): WrittenCall[] | undefined {
  const calls: WrittenCall[] = [];
  let rest = body;
  while (rest !== "") {
    const head = /^(?:call:)?([\w.-]+)\s*(?:\[ARGS\])?\s*(?=\{)/.exec(rest);
    if (!head) return undefined;
    rest = rest.slice(head[0].length);
    const end = endOfJson(rest);
    const value = end === undefined ? undefined : tryJson(rest.slice(0, end));
    if (value === undefined) return undefined;
    calls.push({ name: head[1]!, arguments: JSON.stringify(value) });
    rest = rest.slice(end).replace(/^(?:\[TOOL_CALLS\]|[\s;,])+/, "");
  }
  return calls;
}

/** `<function=name><parameter=key>value</parameter></function>`. */
function fromTags(body: string): WrittenCall[] | undefined {
  const calls: WrittenCall[] = [];
  const rest = body.replace(
    /<function=([\w.-]+)>([\s\S]*?)<\/function>/g,
    (_, name: string, inner: string) => {
      const values: Record<string, unknown> = {};
      const parameters = /<parameter=([^>\n]+)>\n?([\s\S]*?)\n?<\/parameter>/g;
      for (const [, key, text] of inner.matchAll(parameters)) {
        values[key!] = tryJson(text!) ?? text;
      }
      calls.push({ name, arguments: JSON.stringify(values) });
      return "";
    },
  );
  return calls.length > 0 && rest.trim() === "" ? calls : undefined;
}

/** `[f(a="b", c=1), g()]`, the brackets optional. */
function fromPython(body: string): WrittenCall[] | undefined {
  const reader = new PythonReader(
    body.startsWith("[") && body.endsWith("]") ? body.slice(1, -1) : body,
  );
  const calls: WrittenCall[] = [];
  do {
    const name = reader.take(/[A-Za-z_][\w.-]*/y);
    if (name === undefined || !reader.skip("(")) return undefined;
    const values: Record<string, unknown> = {};
    while (!reader.skip(")")) {
      const key = reader.take(/[A-Za-z_]\w*/y);
      if (key === undefined || !reader.skip("=")) return undefined;
      const value = reader.value(0);
      if (value === undefined) return undefined;
      values[key] = value.is;
      if (!reader.skip(",") && !reader.at(")")) return undefined;
    }
    calls.push({ name, arguments: JSON.stringify(values) });
  } while (reader.skip(",") || reader.skip(";"));
  return reader.ended ? calls : undefined;
}

/** Deeper than any tool's arguments; a bound on recursion. */
const MAX_DEPTH = 64;

/** Python's literals, which are JSON's and a few more. */
class PythonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get ended(): boolean {
    this.#space();
    return this.#at === this.#text.length;
  }

  take(pattern: RegExp): string | undefined {
    this.#space();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  at(mark: string): boolean {
    this.#space();
    return this.#text.startsWith(mark, this.#at);
  }

  skip(mark: string): boolean {
    if (!this.at(mark)) return false;
    this.#at += mark.length;
    return true;
  }

  /** In an object, as null is a value too. */
  value(depth: number): { is: unknown } | undefined {
    if (depth > MAX_DEPTH) return undefined;
    const quoted = this.take(/"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/y);
    if (quoted !== undefined) return { is: unquote(quoted) };
    if (this.skip("[") || this.skip("(")) return this.#list(depth);
    if (this.skip("{")) return this.#dictionary(depth);
    const word = this.take(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[A-Za-z]+/y);
    if (word === undefined) return undefined;
    const known = new Map<string, unknown>([
      ["True", true],
      ["true", true],
      ["False", false],
      ["false", false],
      ["None", null],
      ["null", null],
    ]);
    if (known.has(word)) return { is: known.get(word) };
    const number = Number(word);
    return Number.isNaN(number) ? undefined : { is: number };
  }

  #list(depth: number): { is: unknown } | undefined {
    const values: unknown[] = [];
    while (!this.skip("]") && !this.skip(")")) {
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      values.push(value.is);
      if (!this.skip(",") && !this.at("]") && !this.at(")")) return undefined;
    }
    return { is: values };
  }

  #dictionary(depth: number): { is: unknown } | undefined {
    const values: Record<string, unknown> = {};
    while (!this.skip("}")) {
      const key = this.value(depth + 1);
      if (key === undefined || !this.skip(":")) return undefined;
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      values[String(key.is)] = value.is;
      if (!this.skip(",") && !this.at("}")) return undefined;
    }
    return { is: values };
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}

function unquote(quoted: string): string {
  const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r" };
  return quoted
    .slice(1, -1)
    .replace(
      /\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g,
      (_, hex: string | undefined, one: string | undefined) =>
        hex === undefined
          ? (escapes[one!] ?? one!)
          : String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function allOf(calls: (WrittenCall | undefined)[]): WrittenCall[] | undefined {
  const whole = calls.filter((call) => call !== undefined);
  return whole.length > 0 && whole.length === calls.length ? whole : undefined;
}

/** Where the JSON object or array that `text` starts with ends; undefined while it goes on. */
export function endOfJson(text: string): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c === "\\") at++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === "{" || c === "[") depth++;
    else if ((c === "}" || c === "]") && --depth === 0) return at + 1;
  }
  return undefined;
}

/** As much of a JSON call as can be told from its beginning: for streams. */
export function beginningOfCall(
  text: string,
): { name: string; arguments: string; ended: boolean } | undefined {
  const head =
    /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/.exec(
      text,
    );
  if (!head) return undefined;
  const name = tryJson(head[1]!);
  if (typeof name !== "string" || name === "") return undefined;
  const rest = text.slice(head[0].length);
  const end = endOfJson(rest);
  return {
    name,
    arguments: rest.slice(0, end),
    ended: end !== undefined,
  };
}
