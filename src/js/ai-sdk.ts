// A provider for the AI SDK (`ai`): the loaded model as its LanguageModelV4, or V3 for ai 6. A façade over chat.completions.

import { APICallError, NoSuchModelError } from "@ai-sdk/provider";
import type {
  EmbeddingModelV4,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import { toCall } from "./ai-sdk-prompt.ts";
import type { Llm } from "./engine.ts";
import type { RequestError } from "./openai-fields.ts";
import type {
  ChatCompletionChunk,
  ChatDelta,
  ChatFinishReason,
  CompletionUsage,
} from "./openai-types.ts";

const PROVIDER = "smidgen";

export interface SmidgenProvider {
  /** The model of this name; without one the first. */
  (modelId?: string): LanguageModelV4;
  readonly specificationVersion: "v4";
  languageModel(modelId?: string): LanguageModelV4;
  embeddingModel(modelId?: string): EmbeddingModelV4;
  imageModel(modelId: string): never;
}

export interface SmidgenProviderOptions {
  /** `v3` for ai 6. Default `v4`. */
  specificationVersion?: "v3" | "v4";
}

/** `models`: a loaded model, or several by the names that programs ask for. */
export function createSmidgen(
  models: Llm | Record<string, Llm>,
  { specificationVersion = "v4" }: SmidgenProviderOptions = {},
): SmidgenProvider {
  const named = new Map<string, Llm>(
    isLlm(models) ? [[models.info.id, models]] : Object.entries(models),
  );
  const find = (
    modelId: string | undefined,
    modelType: "languageModel" | "embeddingModel",
  ) => {
    const name = modelId ?? [...named.keys()][0] ?? "";
    // One model answers to every name.
    const llm = isLlm(models) ? models : named.get(name);
    if (!llm) throw new NoSuchModelError({ modelId: name, modelType });
    return { llm, name, specificationVersion };
  };
  const languageModel = (modelId?: string) =>
    createModel(find(modelId, "languageModel"));
  return Object.assign((modelId?: string) => languageModel(modelId), {
    specificationVersion: specificationVersion as "v4",
    languageModel,
    embeddingModel: (modelId?: string) =>
      createEmbedder(find(modelId, "embeddingModel")),
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: "imageModel" });
    },
  });
}

function isLlm(models: Llm | Record<string, Llm>): models is Llm {
  return typeof models.generate === "function";
}

interface Found {
  llm: Llm;
  name: string;
  specificationVersion: "v3" | "v4";
}

function createEmbedder({
  llm,
  name,
  specificationVersion,
}: Found): EmbeddingModelV4 {
  return {
    specificationVersion: specificationVersion as "v4",
    provider: PROVIDER,
    modelId: name,
    maxEmbeddingsPerCall: undefined,
    // One engine: calls wait for each other.
    supportsParallelCalls: false,
    async doEmbed({ values, abortSignal }) {
      const { embeddings, tokens } = await llm.embed(values, {
        signal: abortSignal ?? null,
      });
      return {
        embeddings: embeddings.map((embedding) => Array.from(embedding)),
        usage: { tokens },
        warnings: [],
      };
    },
  };
}

function createModel({
  llm,
  name,
  specificationVersion,
}: Found): LanguageModelV4 {
  const doStream = async (
    options: LanguageModelV4CallOptions,
  ): Promise<LanguageModelV4StreamResult> => {
    const { params, warnings } = toCall(options);
    const body = {
      ...params,
      stream: true as const,
      stream_options: { include_usage: true },
    };
    const chunks = await llm.chat.completions
      .create(body, { signal: options.abortSignal ?? null })
      .catch((error: unknown) => {
        throw asApiError(error, params);
      });
    const parts = toParts(chunks, options.includeRawChunks === true);
    const stream = new ReadableStream<LanguageModelV4StreamPart>({
      start: (controller) =>
        controller.enqueue({ type: "stream-start", warnings }),
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.enqueue({ type: "error", error });
          controller.close();
        }
      },
      cancel: async () => {
        chunks.controller.abort();
        await parts.return();
      },
    });
    return { stream, request: { body } };
  };

  const doGenerate = async (
    options: LanguageModelV4CallOptions,
  ): Promise<LanguageModelV4GenerateResult> => {
    const { params, warnings } = toCall(options);
    const reply = await llm.chat.completions
      .create(
        { ...params, stream: false },
        { signal: options.abortSignal ?? null },
      )
      .catch((error: unknown) => {
        throw asApiError(error, params);
      });
    const { message, finish_reason } = reply.choices[0]!;
    const content: LanguageModelV4Content[] = [];
    if (message.reasoning_content) {
      content.push({ type: "reasoning", text: message.reasoning_content });
    }
    if (message.content) content.push({ type: "text", text: message.content });
    for (const { id, function: made } of message.tool_calls ?? []) {
      content.push({
        type: "tool-call",
        toolCallId: id,
        toolName: made.name,
        input: made.arguments,
      });
    }
    return {
      content,
      finishReason: toFinish(finish_reason),
      usage: toUsage(reply.usage),
      warnings,
      request: { body: params },
      response: {
        id: reply.id,
        timestamp: new Date(reply.created * 1000),
        modelId: reply.model,
      },
    };
  };

  return {
    // The same shapes in both versions, as far as a model on a device uses them.
    specificationVersion: specificationVersion as "v4",
    provider: PROVIDER,
    modelId: name,
    // Nothing is fetched by address.
    supportedUrls: {},
    doGenerate,
    doStream,
  };
}

async function* toParts(
  chunks: AsyncIterable<ChatCompletionChunk>,
  raw: boolean,
): AsyncGenerator<LanguageModelV4StreamPart, void, undefined> {
  const blocks = new Blocks();
  let finish: ChatFinishReason | undefined;
  let usage: CompletionUsage | undefined;
  let first = true;
  for await (const chunk of chunks) {
    if (raw) yield { type: "raw", rawValue: chunk };
    if (first) {
      first = false;
      yield {
        type: "response-metadata",
        id: chunk.id,
        timestamp: new Date(chunk.created * 1000),
        modelId: chunk.model,
      };
    }
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      yield* blocks.take(choice.delta);
      finish = choice.finish_reason ?? finish;
    }
  }
  yield* blocks.close();
  yield {
    type: "finish",
    finishReason: toFinish(finish),
    usage: toUsage(usage),
  };
}

type Block =
  | { type: "text" | "reasoning"; id: string }
  | { type: "tool"; id: string; name: string; input: string };

/** Deltas become blocks, one open at a time, each with a start and an end. */
class Blocks {
  #open: Block | undefined;
  #made = 0;

  *take(delta: ChatDelta): Generator<LanguageModelV4StreamPart> {
    if (delta.reasoning_content) {
      yield* this.#text("reasoning", delta.reasoning_content);
    }
    if (delta.content) yield* this.#text("text", delta.content);
    for (const call of delta.tool_calls ?? []) {
      if (call.id !== undefined) {
        yield* this.close();
        const name = call.function?.name ?? "";
        this.#open = { type: "tool", id: call.id, name, input: "" };
        yield { type: "tool-input-start", id: call.id, toolName: name };
      }
      const text = call.function?.arguments ?? "";
      if (this.#open?.type === "tool" && text !== "") {
        this.#open.input += text;
        yield { type: "tool-input-delta", id: this.#open.id, delta: text };
      }
    }
  }

  *close(): Generator<LanguageModelV4StreamPart> {
    const block = this.#open;
    this.#open = undefined;
    if (block?.type === "tool") {
      const { id, name, input } = block;
      yield { type: "tool-input-end", id };
      yield { type: "tool-call", toolCallId: id, toolName: name, input };
    } else if (block) {
      yield { type: `${block.type}-end`, id: block.id };
    }
  }

  *#text(
    type: "text" | "reasoning",
    delta: string,
  ): Generator<LanguageModelV4StreamPart> {
    if (this.#open?.type !== type) {
      yield* this.close();
      this.#open = { type, id: `${type}-${this.#made++}` };
      yield { type: `${type}-start`, id: this.#open.id };
    }
    yield { type: `${type}-delta`, id: this.#open.id, delta };
  }
}

function toFinish(
  reason: ChatFinishReason | undefined,
): LanguageModelV4FinishReason {
  const unified = reason === "tool_calls" ? "tool-calls" : (reason ?? "other");
  return { unified, raw: reason };
}

function toUsage(usage: CompletionUsage | undefined): LanguageModelV4Usage {
  const cacheRead = usage?.prompt_tokens_details.cached_tokens;
  const total = usage?.prompt_tokens;
  return {
    inputTokens: {
      total,
      noCache: total === undefined ? undefined : total - (cacheRead ?? 0),
      cacheRead,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: usage?.completion_tokens,
      text: usage?.completion_tokens,
      reasoning: undefined,
    },
  };
}

/** A refused request as the SDK's error; all else as it is. */
function asApiError(error: unknown, body: unknown): unknown {
  const refused = error as Partial<RequestError>;
  if (typeof refused.status !== "number") return error;
  return new APICallError({
    message: refused.message ?? String(error),
    url: "smidgen:/chat/completions",
    requestBodyValues: body,
    statusCode: refused.status,
    isRetryable: false,
    cause: error,
    // What a server would have answered.
    data: { error: refused.error },
  });
}
