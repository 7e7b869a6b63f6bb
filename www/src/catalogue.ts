// The small open models this page suggests: what each is, how much it downloads and needs, and where it comes from.
// It refuses models of which repository, file and size were not looked up.

/** What decides the size of a KV cache: 2 bytes each for a key and a value of every layer that attends. */
interface CacheShape {
  layers: number;
  kvHeads: number;
  headDim: number;
}

export type Strength =
  "quick" | "writing" | "facts" | "code" | "languages" | "reasoning";

export interface Suggestion {
  id: string;
  name: string;
  /** `owner/name` on the hub. */
  repository: string;
  file: string;
  bytes: number;
  licence: string;
  /** The terms are more than a usual open-source licence. */
  licenceUrl: string;
  /** BCP 47; `more`: how many languages its makers count beyond these. */
  languages: readonly string[];
  more?: number;
  goodAt: readonly Strength[];
  cache: CacheShape;
}

const APACHE = "https://www.apache.org/licenses/LICENSE-2.0";
const GEMMA = "https://ai.google.dev/gemma/terms";

/** Smallest first. */
export const SUGGESTIONS: readonly Suggestion[] = [
  {
    id: "smollm2-135m",
    name: "SmolLM2 135M",
    repository: "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF",
    file: "smollm2-135m-instruct-q8_0.gguf",
    bytes: 144_811_072,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["quick"],
    cache: { layers: 30, kvHeads: 3, headDim: 64 },
  },
  {
    id: "lfm2-350m",
    name: "LFM2 350M",
    repository: "LiquidAI/LFM2-350M-GGUF",
    file: "LFM2-350M-Q4_K_M.gguf",
    bytes: 229_309_376,
    licence: "LFM Open License 1.0",
    licenceUrl: "https://huggingface.co/LiquidAI/LFM2-350M/blob/main/LICENSE",
    languages: ["en", "ar", "zh", "fr", "de", "ja", "ko", "es"],
    goodAt: ["quick", "writing"],
    // Six of its sixteen layers attend.
    cache: { layers: 6, kvHeads: 8, headDim: 64 },
  },
  {
    id: "smollm2-360m",
    name: "SmolLM2 360M",
    repository: "bartowski/SmolLM2-360M-Instruct-GGUF",
    file: "SmolLM2-360M-Instruct-Q4_K_M.gguf",
    bytes: 270_590_880,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["quick", "writing"],
    cache: { layers: 32, kvHeads: 5, headDim: 64 },
  },
  {
    id: "gemma-3-270m",
    name: "Gemma 3 270M",
    repository: "ggml-org/gemma-3-270m-it-GGUF",
    file: "gemma-3-270m-it-Q8_0.gguf",
    bytes: 291_545_600,
    licence: "Gemma",
    licenceUrl: GEMMA,
    languages: ["en"],
    more: 140,
    goodAt: ["quick", "languages"],
    cache: { layers: 18, kvHeads: 1, headDim: 256 },
  },
  {
    id: "qwen3-0.6b",
    name: "Qwen3 0.6B",
    repository: "unsloth/Qwen3-0.6B-GGUF",
    file: "Qwen3-0.6B-Q4_K_M.gguf",
    bytes: 396_705_472,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "zh", "es", "ar", "de", "fr"],
    more: 100,
    goodAt: ["reasoning", "languages"],
    cache: { layers: 28, kvHeads: 8, headDim: 128 },
  },
  {
    id: "qwen2.5-0.5b",
    name: "Qwen2.5 0.5B",
    repository: "bartowski/Qwen2.5-0.5B-Instruct-GGUF",
    file: "Qwen2.5-0.5B-Instruct-Q4_K_M.gguf",
    bytes: 397_808_192,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "zh", "es", "ar", "de", "fr"],
    more: 29,
    goodAt: ["code", "languages"],
    cache: { layers: 24, kvHeads: 2, headDim: 64 },
  },
  {
    id: "lfm2-1.2b",
    name: "LFM2 1.2B",
    repository: "LiquidAI/LFM2-1.2B-GGUF",
    file: "LFM2-1.2B-Q4_K_M.gguf",
    bytes: 730_893_248,
    licence: "LFM Open License 1.0",
    licenceUrl: "https://huggingface.co/LiquidAI/LFM2-1.2B/blob/main/LICENSE",
    languages: ["en", "ar", "zh", "fr", "de", "ja", "ko", "es"],
    goodAt: ["writing", "languages"],
    cache: { layers: 6, kvHeads: 8, headDim: 64 },
  },
  {
    id: "gemma-3-1b",
    name: "Gemma 3 1B",
    repository: "ggml-org/gemma-3-1b-it-GGUF",
    file: "gemma-3-1b-it-Q4_K_M.gguf",
    bytes: 806_058_240,
    licence: "Gemma",
    licenceUrl: GEMMA,
    languages: ["en"],
    more: 140,
    goodAt: ["writing", "languages"],
    cache: { layers: 26, kvHeads: 1, headDim: 256 },
  },
  {
    id: "llama-3.2-1b",
    name: "Llama 3.2 1B",
    repository: "bartowski/Llama-3.2-1B-Instruct-GGUF",
    file: "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
    bytes: 807_694_464,
    licence: "Llama 3.2 Community",
    licenceUrl: "https://www.llama.com/llama3_2/license/",
    languages: ["en", "de", "fr", "it", "pt", "hi", "es", "th"],
    goodAt: ["writing", "facts"],
    cache: { layers: 16, kvHeads: 8, headDim: 64 },
  },
  {
    id: "smollm2-1.7b",
    name: "SmolLM2 1.7B",
    repository: "bartowski/SmolLM2-1.7B-Instruct-GGUF",
    file: "SmolLM2-1.7B-Instruct-Q4_K_M.gguf",
    bytes: 1_055_609_824,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["writing", "facts"],
    cache: { layers: 24, kvHeads: 32, headDim: 64 },
  },
  {
    id: "smollm3-3b",
    name: "SmolLM3 3B",
    repository: "unsloth/SmolLM3-3B-GGUF",
    file: "SmolLM3-3B-Q4_K_M.gguf",
    bytes: 1_915_306_528,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "fr", "es", "de", "it", "pt"],
    goodAt: ["reasoning", "facts", "code"],
    cache: { layers: 36, kvHeads: 4, headDim: 128 },
  },
];

/** Reads texts for search in documents. Its file next to this page is taken before the hub's. */
export const ENCODER = {
  name: "all-MiniLM-L6-v2",
  beside: "./models/all-MiniLM-L6-v2.Q8_0.gguf",
  repository: "second-state/All-MiniLM-L6-v2-Embedding-GGUF",
  file: "all-MiniLM-L6-v2-Q8_0.gguf",
  bytes: 25_000_000,
} as const;

const HUB = "https://huggingface.co";

export const addressOf = (of: { repository: string; file: string }) =>
  `${HUB}/${of.repository}/resolve/main/${of.file}`;

export const pageOf = ({ repository }: { repository: string }) =>
  `${HUB}/${repository}`;

/** The context the engine takes where nobody asks for another. */
const CONTEXT = 2048;
/** The engine itself, activations and the pieces on their way in; measured at 40 to 70 MB. */
const BESIDES_BYTES = 80_000_000;

/** What a loaded model takes: weights as large as the file, its cache, and the engine besides. */
export function memoryNeed({ bytes, cache }: Suggestion): number {
  const { layers, kvHeads, headDim } = cache;
  return bytes + CONTEXT * layers * kvHeads * headDim * 4 + BESIDES_BYTES;
}
