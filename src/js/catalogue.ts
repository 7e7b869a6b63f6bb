// The small open models that go by a name: what each is, how much it downloads and needs, where it comes from. Data only.
// It refuses models of which repository, file and size were not looked up, and loads nothing by itself.

/** What decides the size of a KV cache: a key and a value for every layer that attends. */
export interface CacheShape {
  layers: number;
  kvHeads: number;
  headDim: number;
}

export type Strength =
  "quick" | "writing" | "facts" | "code" | "languages" | "reasoning";

export interface CatalogueModel {
  /** What `Smidgen.load` knows it by. */
  name: string;
  /** What a person knows it by. */
  title: string;
  /** `owner/name` on the Hugging Face hub. */
  repo: string;
  file: string;
  /** Of the file, as the hub said when it was looked up. */
  bytes: number;
  licence: string;
  licenceUrl: string;
  /** BCP 47, the best first. */
  languages: readonly string[];
  /** How many languages its makers count, where they are more than those. */
  languageCount?: number;
  goodAt: readonly Strength[];
  cache: CacheShape;
}

const APACHE = "https://www.apache.org/licenses/LICENSE-2.0";
const GEMMA = "https://ai.google.dev/gemma/terms";

/** Smallest first. */
export const CATALOGUE: readonly CatalogueModel[] = [
  {
    name: "smollm2-135m",
    title: "SmolLM2 135M",
    repo: "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF",
    file: "smollm2-135m-instruct-q8_0.gguf",
    bytes: 144_811_072,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["quick"],
    cache: { layers: 30, kvHeads: 3, headDim: 64 },
  },
  {
    name: "lfm2-350m",
    title: "LFM2 350M",
    repo: "LiquidAI/LFM2-350M-GGUF",
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
    name: "smollm2-360m",
    title: "SmolLM2 360M",
    repo: "bartowski/SmolLM2-360M-Instruct-GGUF",
    file: "SmolLM2-360M-Instruct-Q4_K_M.gguf",
    bytes: 270_590_880,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["quick", "writing"],
    cache: { layers: 32, kvHeads: 5, headDim: 64 },
  },
  {
    name: "gemma-3-270m",
    title: "Gemma 3 270M",
    repo: "ggml-org/gemma-3-270m-it-GGUF",
    file: "gemma-3-270m-it-Q8_0.gguf",
    bytes: 291_545_600,
    licence: "Gemma",
    licenceUrl: GEMMA,
    languages: ["en"],
    languageCount: 140,
    goodAt: ["quick", "languages"],
    cache: { layers: 18, kvHeads: 1, headDim: 256 },
  },
  {
    name: "qwen3-0.6b",
    title: "Qwen3 0.6B",
    repo: "unsloth/Qwen3-0.6B-GGUF",
    file: "Qwen3-0.6B-Q4_K_M.gguf",
    bytes: 396_705_472,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "zh", "es", "ar", "de", "fr"],
    languageCount: 100,
    goodAt: ["reasoning", "languages"],
    cache: { layers: 28, kvHeads: 8, headDim: 128 },
  },
  {
    name: "qwen2.5-0.5b",
    title: "Qwen2.5 0.5B",
    repo: "bartowski/Qwen2.5-0.5B-Instruct-GGUF",
    file: "Qwen2.5-0.5B-Instruct-Q4_K_M.gguf",
    bytes: 397_808_192,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "zh", "es", "ar", "de", "fr"],
    languageCount: 29,
    goodAt: ["code", "languages"],
    cache: { layers: 24, kvHeads: 2, headDim: 64 },
  },
  {
    name: "lfm2-1.2b",
    title: "LFM2 1.2B",
    repo: "LiquidAI/LFM2-1.2B-GGUF",
    file: "LFM2-1.2B-Q4_K_M.gguf",
    bytes: 730_893_248,
    licence: "LFM Open License 1.0",
    licenceUrl: "https://huggingface.co/LiquidAI/LFM2-1.2B/blob/main/LICENSE",
    languages: ["en", "ar", "zh", "fr", "de", "ja", "ko", "es"],
    goodAt: ["writing", "languages"],
    cache: { layers: 6, kvHeads: 8, headDim: 64 },
  },
  {
    name: "gemma-3-1b",
    title: "Gemma 3 1B",
    repo: "ggml-org/gemma-3-1b-it-GGUF",
    file: "gemma-3-1b-it-Q4_K_M.gguf",
    bytes: 806_058_240,
    licence: "Gemma",
    licenceUrl: GEMMA,
    languages: ["en"],
    languageCount: 140,
    goodAt: ["writing", "languages"],
    cache: { layers: 26, kvHeads: 1, headDim: 256 },
  },
  {
    name: "llama-3.2-1b",
    title: "Llama 3.2 1B",
    repo: "bartowski/Llama-3.2-1B-Instruct-GGUF",
    file: "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
    bytes: 807_694_464,
    licence: "Llama 3.2 Community",
    licenceUrl: "https://www.llama.com/llama3_2/license/",
    languages: ["en", "de", "fr", "it", "pt", "hi", "es", "th"],
    goodAt: ["writing", "facts"],
    cache: { layers: 16, kvHeads: 8, headDim: 64 },
  },
  {
    name: "smollm2-1.7b",
    title: "SmolLM2 1.7B",
    repo: "bartowski/SmolLM2-1.7B-Instruct-GGUF",
    file: "SmolLM2-1.7B-Instruct-Q4_K_M.gguf",
    bytes: 1_055_609_824,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en"],
    goodAt: ["writing", "facts"],
    cache: { layers: 24, kvHeads: 32, headDim: 64 },
  },
  {
    name: "smollm3-3b",
    title: "SmolLM3 3B",
    repo: "unsloth/SmolLM3-3B-GGUF",
    file: "SmolLM3-3B-Q4_K_M.gguf",
    bytes: 1_915_306_528,
    licence: "Apache-2.0",
    licenceUrl: APACHE,
    languages: ["en", "fr", "es", "de", "it", "pt"],
    goodAt: ["reasoning", "facts", "code"],
    cache: { layers: 36, kvHeads: 4, headDim: 128 },
  },
];
