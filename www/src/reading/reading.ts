// From a picture to its text: looks at the picture, asks before it fetches anything, waits for its turn, reads.
import { computed, signal } from "@preact/signals";
import { announce } from "../announcer";
import { bytes as written, type Language, language, t } from "../i18n";
import { read, write } from "../remember";
import { inTurn } from "../turns";
import { pictureOf } from "./picture";
import { recognise } from "./recogniser";
import {
  fetchFiles,
  lookForFiles,
  missingBytes,
  SCRIPTS,
  scriptsFor,
} from "./files";

export type Stage =
  | { at: "looking" | "asking" | "waiting" }
  /** `done`: 0 to 1. */
  | { at: "fetching" | "reading"; done: number };

export interface Watch {
  signal: AbortSignal;
  onStage(stage: Stage): void;
  onPreview?(preview: ImageBitmap): void;
}

const CHOSEN = "smidgen:reading";
const isLanguage = (value: string | null): value is Language =>
  value !== null && value in SCRIPTS;

const remembered = read(CHOSEN);
const chosen = signal(isLanguage(remembered) ? remembered : undefined);

/** What stands in pictures: what a person chose, else the page's own language. */
export const readingLanguage = computed(() => chosen.value ?? language.value);

export function chooseReadingLanguage(next: Language | undefined): void {
  chosen.value = next;
  write(CHOSEN, next);
}

/** Waits for a person: something would have to be fetched. */
export const asking = signal<
  { bytes: number; answer(agreed: boolean): void } | undefined
>(undefined);

let question: Promise<void> | undefined;

const declined = () => new DOMException("declined", "AbortError");

/** One question for all pictures that wait; the bytes are those of the first. */
function agreement(bytes: number): Promise<void> {
  question ??= new Promise<void>((resolve, reject) => {
    announce(t("reading.ask", { size: written(bytes) }));
    asking.value = {
      bytes,
      answer(agreed) {
        asking.value = undefined;
        question = undefined;
        if (agreed) resolve();
        else reject(declined());
      },
    };
  });
  return question;
}

function cancellable<T>(work: Promise<T>, abort: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(abort.reason);
    if (abort.aborted) stop();
    abort.addEventListener("abort", stop, { once: true });
    work
      .then(resolve, reject)
      .finally(() => abort.removeEventListener("abort", stop));
  });
}

let waiting = 0;

async function agreed(bytes: number, watch: Watch): Promise<void> {
  watch.onStage({ at: "asking" });
  waiting += 1;
  try {
    await cancellable(agreement(bytes), watch.signal);
  } finally {
    waiting -= 1;
    // Nobody is left who would want to know.
    if (waiting === 0) asking.peek()?.answer(false);
  }
}

/** `asked`: who asked for this very language has been told what it takes. */
export async function readPicture(
  file: File,
  watch: Watch,
  wanted: Language = readingLanguage.peek(),
  asked = false,
): Promise<string> {
  const { signal: abort, onStage } = watch;
  onStage({ at: "looking" });
  const { png, preview } = await pictureOf(file);
  abort.throwIfAborted();
  watch.onPreview?.(preview);
  await lookForFiles();
  const lacking = missingBytes(wanted);
  if (lacking > 0 && !asked) await agreed(lacking, watch);
  if (lacking > 0) {
    onStage({ at: "fetching", done: 0 });
    // Pictures that waited for the same answer: the first fetches for all.
    await inFetchingTurn(() =>
      fetchFiles(wanted, abort, (done) => onStage({ at: "fetching", done })),
    );
  }
  onStage({ at: "waiting" });
  return inTurn(() => {
    onStage({ at: "reading", done: 0 });
    return recognise(png, scriptsFor(wanted), abort, (done) =>
      onStage({ at: "reading", done }),
    );
  }, abort);
}

let fetching: Promise<unknown> = Promise.resolve();

function inFetchingTurn(work: () => Promise<void>): Promise<void> {
  const mine = fetching.then(work);
  fetching = mine.catch(() => undefined);
  return mine;
}
