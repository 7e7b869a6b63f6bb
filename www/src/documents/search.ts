// Which passages answer a question: by meaning (cosine of embeddings) and by words (BM25), joined by rank, so that
// neither scale matters. It knows neither storage nor screen.

export interface Searchable {
  text: string;
  vector: Float32Array;
}

export interface Found {
  index: number;
  /** Of the embedding, −1 to 1. */
  similarity: number;
}

/** Chinese and Japanese words are not set apart: there each character counts. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}]+/gu;

const words = (text: string) => text.toLowerCase().match(WORD) ?? [];

const K1 = 1.2;
const B = 0.75;

/** BM25 of every text for the query. */
export function wordScores(query: string, texts: readonly string[]): number[] {
  const wanted = [...new Set(words(query))];
  const counted = texts.map((text) => {
    const counts = new Map<string, number>();
    const all = words(text);
    for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1);
    return { counts, length: all.length };
  });
  const mean =
    counted.reduce((sum, { length }) => sum + length, 0) /
    Math.max(1, counted.length);
  const rarity = wanted.map((word) => {
    const holding = counted.filter(({ counts }) => counts.has(word)).length;
    return Math.log(1 + (texts.length - holding + 0.5) / (holding + 0.5));
  });
  return counted.map(({ counts, length }) =>
    wanted.reduce((sum, word, at) => {
      const count = counts.get(word) ?? 0;
      const scale = K1 * (1 - B + (B * length) / Math.max(1, mean));
      return sum + (rarity[at]! * count * (K1 + 1)) / (count + scale);
    }, 0),
  );
}

/** Both of length 1. */
const cosine = (a: Float32Array, b: Float32Array) => {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += a[at]! * b[at]!;
  return sum;
};

/** Of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009). */
const RANK = 60;

function ranks(scores: readonly number[]): number[] {
  const order = scores
    .map((_, at) => at)
    .sort((a, b) => scores[b]! - scores[a]!);
  const rank = new Array<number>(scores.length);
  order.forEach((at, place) => (rank[at] = place));
  return rank;
}

/** The best `most` passages, best first. */
export function search(
  query: string,
  vector: Float32Array,
  passages: readonly Searchable[],
  most: number,
): Found[] {
  const similarity = passages.map((passage) =>
    passage.vector.length === vector.length
      ? cosine(vector, passage.vector)
      : -1,
  );
  const said = wordScores(
    query,
    passages.map(({ text }) => text),
  );
  const byMeaning = ranks(similarity);
  const byWords = ranks(said);
  return passages
    .map((_, index) => ({
      index,
      similarity: similarity[index]!,
      score:
        1 / (RANK + byMeaning[index]!) +
        // A text without any of the words has no rank among those that have some.
        (said[index]! > 0 ? 1 / (RANK + byWords[index]!) : 0),
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map(({ index, similarity }) => ({ index, similarity }));
}
