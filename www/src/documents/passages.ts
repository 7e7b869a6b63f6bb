// Pages → passages short enough for the encoder, cut between paragraphs or sentences, overlapping a little so that what
// stands across a cut is found too.

export interface Passage {
  /** From 1. */
  page: number;
  text: string;
}

/** About 180 English tokens; the encoder reads 256 or more. */
const LONGEST = 750;
const OVERLAP = 120;

/** Where a passage may end within `text`, best places first. */
const ENDS = [/\n\s*\n/g, /[.!?…。！？؟]["'”’)\]]*\s/g, /\n/g, /\s/g];

/** The length of a passage that starts at the beginning of `text`. */
function cut(text: string): number {
  if (text.length <= LONGEST) return text.length;
  const window = text.slice(0, LONGEST);
  for (const end of ENDS) {
    let last = 0;
    for (const match of window.matchAll(end))
      last = match.index + match[0].length;
    // A very short passage says too little to be found.
    if (last >= LONGEST / 2) return last;
  }
  // Never within a surrogate pair.
  const code = text.charCodeAt(LONGEST - 1);
  return code >= 0xd800 && code <= 0xdbff ? LONGEST - 1 : LONGEST;
}

/** Where the next passage starts: some words before the cut at `end`. */
function stepBack(text: string, end: number): number {
  const from = Math.max(0, end - OVERLAP);
  const space = text.slice(from, end).search(/\s/);
  return space < 0 ? end : from + space + 1;
}

export function passages(pages: readonly string[]): Passage[] {
  const found: Passage[] = [];
  pages.forEach((page, index) => {
    const text = page.replace(/\r\n?/g, "\n").replace(/[^\S\n]+/g, " ");
    let start = 0;
    while (start < text.length) {
      const end = start + cut(text.slice(start, start + LONGEST + 1));
      const words = text.slice(start, end).trim();
      if (words !== "") found.push({ page: index + 1, text: words });
      if (end >= text.length) break;
      const next = stepBack(text, end);
      start = next > start ? next : end;
    }
  });
  return found;
}
