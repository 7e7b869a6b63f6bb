// What the catalogue of the package means for this page: addresses on the hub, memory, and the encoder of the documents.

import type { CatalogueModel } from "smidgen/catalogue";

/** Reads texts for search in documents. Its file next to this page is taken before the hub's. */
export const ENCODER = {
  name: "all-MiniLM-L6-v2",
  beside: "./models/all-MiniLM-L6-v2.Q8_0.gguf",
  repo: "second-state/All-MiniLM-L6-v2-Embedding-GGUF",
  file: "all-MiniLM-L6-v2-Q8_0.gguf",
  bytes: 25_000_000,
} as const;

const HUB = "https://huggingface.co";

export const addressOf = (of: { repo: string; file: string }) =>
  `${HUB}/${of.repo}/resolve/main/${of.file}`;

export const pageOf = ({ repo }: { repo: string }) => `${HUB}/${repo}`;

/** The context the engine takes where nobody asks for another. */
const CONTEXT = 2048;
/** The engine itself, activations and the pieces on their way in; measured at 40 to 70 MB. */
const BESIDES_BYTES = 80_000_000;

/** What a loaded model takes: weights as large as the file, its cache, and the engine besides. */
export function memoryNeed({ bytes, cache }: CatalogueModel): number {
  const { layers, kvHeads, headDim } = cache;
  return bytes + CONTEXT * layers * kvHeads * headDim * 4 + BESIDES_BYTES;
}
