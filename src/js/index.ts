// The package's public face: `Smidgen`, its error class and its types.

import { load } from "./engine.ts";
import { detectFeatures } from "./features.ts";
import { models } from "./models.ts";

export const Smidgen = {
  load,
  models,
  /** What this browser and page can run. */
  features: detectFeatures,
};

export { Llm } from "./engine.ts";
export { SmidgenError } from "./errors.ts";
export { RequestError } from "./openai-request.ts";
export type { Features } from "./features.ts";
export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletions,
  ChatCompletionStream,
  ChatMessageParam,
  CompletionUsage,
  RequestOptions,
} from "./openai-types.ts";
export type {
  DeletableModel,
  EngineInfo,
  FinishReason,
  Flavour,
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  LoadProgress,
  MemoryPlan,
  Message,
  ModelInfo,
  ModelSource,
  SamplingOptions,
  StorageChoice,
  StorageEstimate,
  StorageKind,
  StoredModel,
  Timings,
  Warning,
} from "./types.ts";
