// The one live region: a screen reader hears a reply by the sentence, not by the token.
import { signal } from "@preact/signals";

/** The latest lines; each is added once, so a polite region reads each once. */
export const announcements = signal<{ id: number; text: string }[]>([]);

const KEPT = 6;
/** Short sentences are read together; a sentence that never ends is read in pieces. */
const SHORTEST = 60;
const LONGEST = 400;

let next = 0;

export function announce(text: string): void {
  const line = text.trim();
  if (line === "") return;
  next += 1;
  announcements.value = [
    ...announcements.value.slice(-(KEPT - 1)),
    { id: next, text: line },
  ];
}

const END = /[.!?…。！？؟](?=["'”’)\]]*\s)|\n/g;

/** Length of the part of `text` that is complete sentences, 0 while there is too little to read. */
export function readable(text: string): number {
  let end = 0;
  for (const match of text.matchAll(END)) end = match.index + match[0].length;
  if (end >= SHORTEST) return end;
  if (text.length < LONGEST) return 0;
  return Math.max(text.lastIndexOf(" "), SHORTEST);
}

export function announceText() {
  let pending = "";
  return {
    add(piece: string): void {
      pending += piece;
      const end = readable(pending);
      if (end === 0) return;
      announce(spoken(pending.slice(0, end)));
      pending = pending.slice(end);
    },
    finish(): void {
      announce(spoken(pending));
      pending = "";
    },
  };
}

/** Markdown signs are for the eye. */
const spoken = (text: string) =>
  text.replace(/```\w*|[*_`#>|]+/g, " ").replace(/\s+/g, " ");
