// One session of the Prompt API: its conversation, its place in the context, its queue of prompts, its tools.

import type { Llm } from "./engine.ts";
import type { ChatMessageParam, ToolCall } from "./openai-types.ts";
import { readPrompt, type ReadPrompt } from "./prompt-api-messages.ts";
import type { Grammar, Message } from "./types.ts";

export interface PromptTool {
  name: string;
  description: string;
  inputSchema: object;
  execute(...given: unknown[]): Promise<string>;
}

export interface PromptOptions {
  /** A JSON Schema, or a regular expression that the whole reply matches. */
  responseConstraint?: object;
  /** Keep the constraint out of the prompt. */
  omitResponseConstraintInput?: boolean;
  signal?: AbortSignal;
}

export interface SessionOptions {
  initial: Message[];
  tools: PromptTool[];
  samplingMode: string;
  sampling: { temperature: number };
}

/** Rounds of calls and results in one prompt: a model that calls for ever is stopped. */
const MAX_ROUNDS = 16;
/** Tokens left for a reply; with fewer the oldest turns go. */
const REPLY_ROOM = 64;

/** What the platform throws where a prompt does not fit; browsers older than this error have none of their own. */
export class QuotaExceededError extends DOMException {
  readonly requested: number;
  readonly quota: number;

  constructor(message: string, numbers: { requested: number; quota: number }) {
    super(message, "QuotaExceededError");
    this.requested = numbers.requested;
    this.quota = numbers.quota;
  }
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("signal is not an AbortSignal");
  }
}

export class PromptSession {
  readonly #llm: Llm;
  readonly #options: SessionOptions;
  /** One entry for each prompt with its reply: what leaves together. */
  #turns: ChatMessageParam[][] = [];
  #usage = 0;
  /** The end of the queue. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #life = new AbortController();
  onOverflow: () => void = () => {};

  constructor(llm: Llm, options: SessionOptions) {
    this.#llm = llm;
    this.#options = options;
  }

  get usage(): number {
    return this.#usage;
  }

  get window(): number {
    return this.#llm.info.contextLength;
  }

  get samplingMode(): string {
    return this.#options.samplingMode;
  }

  /** Counts the initial prompts, which must fit. */
  async begin(): Promise<void> {
    const requested = await this.#count([]);
    this.#usage = this.#options.initial.length === 0 ? 0 : requested;
    if (requested + REPLY_ROOM > this.window) {
      throw tooLong(requested, this.window);
    }
  }

  clone(): PromptSession {
    this.#check();
    const copy = new PromptSession(this.#llm, this.#options);
    copy.#turns = [...this.#turns];
    copy.#usage = this.#usage;
    return copy;
  }

  destroy(reason: unknown): void {
    if (!this.#life.signal.aborted) this.#life.abort(reason);
  }

  async prompt(input: unknown, options: PromptOptions): Promise<string> {
    let text = "";
    for await (const delta of this.#run(input, options)) text += delta;
    return text;
  }

  promptStreaming(
    input: unknown,
    options: PromptOptions,
  ): ReadableStream<string> {
    const stopped = new AbortController();
    const signals = [stopped.signal, options.signal].filter(Boolean);
    const deltas = this.#run(input, {
      ...options,
      signal: anyOf(signals as AbortSignal[]),
    });
    return new ReadableStream<string>({
      async pull(controller) {
        try {
          const { done, value } = await deltas.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: async () => {
        stopped.abort();
        await deltas.return().catch(() => {});
      },
    });
  }

  async append(
    input: unknown,
    { signal }: { signal?: AbortSignal },
  ): Promise<undefined> {
    checkSignal(signal);
    const { messages, prefix } = this.#read(input);
    if (prefix !== undefined) {
      throw new DOMException("append takes no prefix", "SyntaxError");
    }
    const done = await this.#queued(signal);
    try {
      this.#usage = await this.#makeRoom(messages);
      this.#turns.push(messages as ChatMessageParam[]);
      return undefined;
    } finally {
      done();
    }
  }

  async measure(input: unknown, options: PromptOptions): Promise<number> {
    checkSignal(options.signal);
    const { messages } = this.#read(input);
    options.signal?.throwIfAborted();
    const told = withConstraint(messages, options);
    const [with_, without] = await Promise.all([
      this.#count([told]),
      this.#count([]),
    ]);
    return with_ - without;
  }

  #check(): void {
    if (this.#life.signal.aborted) {
      throw new DOMException("the session was destroyed", "InvalidStateError");
    }
  }

  #read(input: unknown): ReadPrompt {
    this.#check();
    const first = this.#options.initial.length === 0 && !this.#turns.length;
    return readPrompt(input, first);
  }

  /** Waits for its turn; the function that ends it. */
  async #queued(signal: AbortSignal | undefined): Promise<() => void> {
    const all = this.#alive(signal);
    all.throwIfAborted();
    const before = this.#queue;
    let done = () => {};
    this.#queue = new Promise<void>((resolve) => {
      done = resolve;
    });
    try {
      await orAbort(before, all);
    } catch (error) {
      // What waits behind goes on when those before have ended.
      void before.then(done);
      throw error;
    }
    return done;
  }

  #alive(signal: AbortSignal | undefined): AbortSignal {
    return signal ? anyOf([this.#life.signal, signal]) : this.#life.signal;
  }

  async *#run(
    input: unknown,
    options: PromptOptions,
  ): AsyncGenerator<string, void, undefined> {
    checkSignal(options.signal);
    const grammar = toGrammar(options);
    const { messages, prefix } = this.#read(input);
    const signal = this.#alive(options.signal);
    const done = await this.#queued(options.signal);
    try {
      const told = withConstraint(messages, options);
      await this.#makeRoom(told);
      signal.throwIfAborted();
      const turn: ChatMessageParam[] = [...told] as ChatMessageParam[];
      const reply = yield* this.#rounds(turn, prefix, grammar, signal);
      signal.throwIfAborted();
      // Only now: an abort leaves neither the prompt nor half a reply.
      this.#turns.push([
        ...(messages as ChatMessageParam[]),
        ...turn.slice(told.length),
        { role: "assistant", content: (prefix ?? "") + reply },
      ]);
    } catch (error) {
      throw signal.aborted ? signal.reason : asException(error);
    } finally {
      done();
    }
  }

  /** Replies and tools' results in turns, until a reply calls nothing. */
  async *#rounds(
    turn: ChatMessageParam[],
    prefix: string | undefined,
    grammar: Grammar | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<string, string, undefined> {
    const { tools, sampling } = this.#options;
    for (let round = 0; ; round++) {
      const mayCall = tools.length > 0 && round < MAX_ROUNDS && !grammar;
      const stream = await this.#llm.chat.completions.create(
        {
          ...sampling,
          messages: [
            ...this.#messages(this.#turns),
            ...turn,
            ...(prefix === undefined
              ? []
              : [
                  { role: "assistant" as const, content: prefix, prefix: true },
                ]),
          ],
          stream: true,
          stream_options: { include_usage: true },
          ...(grammar ? { grammar } : {}),
          ...(tools.length > 0 ? { tools: tools.map(describe) } : {}),
          ...(mayCall ? {} : { tool_choice: "none" as const }),
        },
        { signal },
      );
      let text = "";
      const calls: ToolCall[] = [];
      for await (const { choices, usage } of stream) {
        if (usage) this.#usage = usage.total_tokens;
        const delta = choices[0]?.delta;
        for (const call of delta?.tool_calls ?? []) {
          const made = (calls[call.index] ??= {
            id: call.id ?? "",
            type: "function",
            function: { name: call.function?.name ?? "", arguments: "" },
          });
          made.function.arguments += call.function?.arguments ?? "";
        }
        if (delta?.content) {
          text += delta.content;
          yield delta.content;
        }
      }
      if (calls.length === 0) return text;
      turn.push({ role: "assistant", content: text, tool_calls: calls });
      turn.push(...(await this.#execute(calls, signal)));
    }
  }

  /** All of one reply's calls at once; the model hears of those that failed. */
  #execute(
    calls: ToolCall[],
    signal: AbortSignal,
  ): Promise<ChatMessageParam[]> {
    const results = calls.map(
      async ({ id, function: { name, arguments: given } }) => {
        const tool = this.#options.tools.find((tool) => tool.name === name);
        let content: string;
        try {
          if (!tool) throw new Error(`there is no tool ${name}`);
          content = String(await tool.execute(JSON.parse(given)));
        } catch (error) {
          content = `error: ${error instanceof Error ? error.message : String(error)}`;
        }
        return { role: "tool" as const, tool_call_id: id, name, content };
      },
    );
    return orAbort(Promise.all(results), signal);
  }

  #messages(turns: ChatMessageParam[][]): ChatMessageParam[] {
    return [...(this.#options.initial as ChatMessageParam[]), ...turns.flat()];
  }

  /** Tokens of the session with `further` turns. */
  async #count(further: Message[][], turns = this.#turns): Promise<number> {
    const { tools } = this.#options;
    const messages = [...this.#messages(turns), ...further.flat()] as Message[];
    if (messages.length === 0) return 0;
    const text = await this.#llm.applyTemplate(
      messages.map(({ role, content }) => ({ role, content })),
      tools.length > 0 ? { tools: tools.map(describe) } : {},
    );
    return (await this.#llm.tokenize(text, { parseSpecial: true })).length;
  }

  /** Lets the oldest turns go until `messages` fit, or changes nothing and throws; tokens then in use. */
  async #makeRoom(messages: Message[]): Promise<number> {
    const turns = [...this.#turns];
    for (;;) {
      const requested = await this.#count([messages], turns);
      if (requested + REPLY_ROOM <= this.window) {
        const dropped = turns.length < this.#turns.length;
        this.#turns = turns;
        if (dropped) this.onOverflow();
        return requested;
      }
      if (turns.length === 0) throw tooLong(requested, this.window);
      turns.shift();
    }
  }
}

function describe({ name, description, inputSchema }: PromptTool) {
  return {
    type: "function" as const,
    function: {
      name,
      description,
      parameters: inputSchema as Record<string, unknown>,
    },
  };
}

function toGrammar(options: PromptOptions): Grammar | undefined {
  const { responseConstraint: constraint } = options;
  if (constraint === undefined) {
    if (options.omitResponseConstraintInput) {
      throw new TypeError(
        "omitResponseConstraintInput is for prompts with a responseConstraint",
      );
    }
    return undefined;
  }
  if (constraint instanceof RegExp) {
    const { source, flags } = constraint;
    return { type: "regex", pattern: source, syntax: "ecma", flags };
  }
  if (typeof constraint !== "object" || constraint === null) {
    throw new TypeError(
      "a responseConstraint is a JSON Schema or a regular expression",
    );
  }
  return { type: "json_schema", schema: constraint };
}

/** The constraint in words, at the end of the prompt. */
function withConstraint(
  messages: Message[],
  { responseConstraint, omitResponseConstraintInput }: PromptOptions,
): Message[] {
  const last = messages.at(-1);
  if (!responseConstraint || omitResponseConstraintInput || !last) {
    return messages;
  }
  const told =
    responseConstraint instanceof RegExp
      ? `Reply with text that matches ${String(responseConstraint)} and nothing else.`
      : `Reply with JSON that matches this schema and nothing else: ${JSON.stringify(responseConstraint)}`;
  return [
    ...messages.slice(0, -1),
    { ...last, content: `${last.content}\n\n${told}` },
  ];
}

function tooLong(requested: number, quota: number): QuotaExceededError {
  return new QuotaExceededError(
    `the prompt takes the session to ${requested} tokens, and the context holds ${quota}`,
    { requested, quota },
  );
}

/** The errors that the specification names. */
function asException(error: unknown): unknown {
  if (error instanceof DOMException || error instanceof TypeError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const text = message ?? String(error);
  switch (code) {
    case "bad_grammar":
      // What the engine has not learnt yet is named so by its parser.
      return new DOMException(
        text,
        /nimplemented|not supported|Unknown format|look/.test(text)
          ? "NotSupportedError"
          : "SyntaxError",
      );
    case "unloaded":
      return new DOMException(text, "InvalidStateError");
    case "bad_argument":
      return new DOMException(text, "NotSupportedError");
    default:
      return new DOMException(text, "OperationError");
  }
}

/** AbortSignal.any, which Safari has from 17.4 on only. */
function anyOf(signals: AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    else
      signal.addEventListener("abort", () => controller.abort(signal.reason), {
        once: true,
        signal: controller.signal,
      });
  }
  return controller.signal;
}

function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}
