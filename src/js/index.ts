// The package's public face: `Smidgen`, its error class and its types.

import { load } from "./engine.ts";
import { detectFeatures } from "./features.ts";
import { memory, type MemoryLimit } from "./memory-budget.ts";
import { models } from "./models.ts";

export const Smidgen = {
  load,
  models,
  /** How much memory the models of this page may take together: `Smidgen.memory.bytes = 500e6`. */
  memory: memory as MemoryLimit,
  /** What this browser and page can run. */
  features: detectFeatures,
};

export { Llm } from "./engine.ts";
export { SmidgenError } from "./errors.ts";
export { RequestError } from "./openai-fields.ts";
export type { Features } from "./features.ts";
export type { MemoryLimit } from "./memory-budget.ts";
export type {
  EmbeddingCreateParams,
  EmbeddingReply,
  EmbeddingsApi,
} from "./openai-embeddings.ts";
export type { Tool } from "./openai-messages.ts";
export type {
  RunnableTool,
  RunToolsParams,
  ToolRun,
} from "./openai-run-tools.ts";
export type * from "./openai-types.ts";
export type * from "./types.ts";
