// embeddings.create, in OpenAI's shape.

import {
  integer,
  isFields,
  missing,
  RequestError,
  wrongType,
  wrongValue,
} from "./openai-fields.ts";
import type { RequestOptions } from "./openai-types.ts";
import type { EmbedOptions, Embeddings } from "./types.ts";

export interface EmbeddingCreateParams {
  input: string | string[];
  /** Replies always name the loaded model. */
  model?: string;
  encoding_format?: "float" | "base64" | null;
  /** Keep so many of the first values, scaled to length 1 again. */
  dimensions?: number | null;
  /** Not of OpenAI. Default: the model's own way. */
  pooling?: "mean" | "first" | "last" | null;
  user?: string;
}

export interface EmbeddingReply {
  object: "list";
  model: string;
  data: {
    object: "embedding";
    index: number;
    /** Base64 of 32-bit floats, little-endian, where that was asked for. */
    embedding: number[] | string;
  }[];
  usage: { prompt_tokens: number; total_tokens: number };
}

export interface EmbeddingsApi {
  create(
    params: EmbeddingCreateParams,
    options?: RequestOptions,
  ): Promise<EmbeddingReply>;
}

/** OpenAI's own bound. */
const MAX_INPUTS = 2048;
const POOLINGS = ["mean", "first", "last"];

export function createEmbeddings(
  model: string,
  embed: (texts: string[], options: EmbedOptions) => Promise<Embeddings>,
): EmbeddingsApi {
  return {
    async create(params, { signal } = {}) {
      const body: unknown = params;
      if (!isFields(body)) {
        throw new RequestError(
          "invalid_type",
          null,
          "the request is not an object",
        );
      }
      const { encoding_format: format = "float", pooling } = body;
      if (format !== "float" && format !== "base64" && format !== null) {
        throw wrongValue("encoding_format", format, '"float" or "base64"');
      }
      const pooled = pooling ?? undefined;
      if (pooled !== undefined && !POOLINGS.includes(pooled as string)) {
        throw wrongValue("pooling", pooled, POOLINGS.join(", "));
      }
      const dimensions = integer(body, "dimensions", 1);
      const { embeddings, tokens } = await embed(readInput(body.input), {
        signal: signal ?? null,
        normalise: true,
        ...(pooled ? { pooling: pooled as "mean" } : {}),
      });
      return {
        object: "list",
        model,
        data: embeddings.map((embedding, index) => {
          const kept = shortened(embedding, dimensions);
          return {
            object: "embedding",
            index,
            embedding: format === "base64" ? base64(kept) : Array.from(kept),
          };
        }),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    },
  };
}

function readInput(input: unknown): string[] {
  if (input === undefined || input === null) throw missing("input");
  const texts: unknown[] = Array.isArray(input) ? input : [input];
  if (texts.length === 0 || texts.length > MAX_INPUTS) {
    throw wrongType("input", `a text or an array of 1 to ${MAX_INPUTS} texts`);
  }
  if (!texts.every((text) => typeof text === "string" && text !== "")) {
    throw wrongType("input", "a text or an array of texts, none of them empty");
  }
  return texts as string[];
}

function shortened(
  embedding: Float32Array<ArrayBuffer>,
  dimensions: number | undefined,
): Float32Array<ArrayBuffer> {
  if (dimensions === undefined) return embedding;
  if (dimensions > embedding.length) {
    throw wrongValue(
      "dimensions",
      dimensions,
      `at most ${embedding.length}, which this model makes`,
    );
  }
  const kept = embedding.slice(0, dimensions);
  const length = Math.hypot(...kept) || 1;
  return kept.map((value) => value / length);
}

function base64({ buffer }: Float32Array<ArrayBuffer>): string {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}
