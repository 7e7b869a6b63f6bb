// The documents of this device as the screen sees them: adding with progress, deleting, and the passages for a question.
import { computed, signal } from "@preact/signals";
import { announce } from "../announcer";
import { newId } from "../conversation";
import { t } from "../i18n";
import { type Problem, problemFrom } from "../problem";
import type { Stage } from "../reading/reading";
import { enterRoom, isPicture } from "../reading-room";
import * as cabinet from "./cabinet";
import type { Document, StoredPassage } from "./cabinet";
import { embed } from "./encoder";
import { passages } from "./passages";
import { search } from "./search";
import { textOf, UnreadableFile } from "./text-of";

/** One use of a passage in an answer. The text itself stays with the document, and goes with it. */
export interface Source {
  document: string;
  name: string;
  number: number;
  page: number;
  /** False for notes and text, which have no pages. */
  paged: boolean;
}

export interface Adding {
  name: string;
  /** 0 to 1. */
  done: number;
  /** Of a picture. */
  stage?: Stage;
}

export const documents = signal<Document[]>([]);
export const adding = signal<Adding | undefined>(undefined);
export const addProblem = signal<
  { name: string; problem: Problem } | undefined
>(undefined);

/** Beyond this, searching would hold up a phone. */
const MOST_PASSAGES = 20_000;
export const passageCount = computed(() =>
  documents.value.reduce((sum, document) => sum + document.passages, 0),
);

const channel =
  typeof BroadcastChannel === "function"
    ? new BroadcastChannel("smidgen-documents")
    : undefined;

/** Passages in memory, as long as the list of documents stays the same. */
let readable: Promise<StoredPassage[]> | undefined;

export async function readDocuments(): Promise<void> {
  readable = undefined;
  // Without storage there are none.
  documents.value = (await cabinet.documents().catch(() => [])).sort(
    (a, b) => b.at - a.at,
  );
}

async function changed(): Promise<void> {
  await readDocuments();
  channel?.postMessage("changed");
}

if (channel) channel.onmessage = () => void readDocuments();

const AT_ONCE = 8;
let abort: AbortController | undefined;

export const stopAdding = () => abort?.abort();

async function keep(
  name: string,
  kind: Document["kind"],
  pages: readonly string[],
  signal: AbortSignal,
  begun = 0,
): Promise<void> {
  const found = passages(pages);
  if (passageCount.value + found.length > MOST_PASSAGES)
    throw {
      code: "documents_full",
      message: `${found.length} passages more would be over ${MOST_PASSAGES}`,
    };
  const id = newId();
  const vectors: Float32Array[] = [];
  for (let at = 0; at < found.length; at += AT_ONCE) {
    signal.throwIfAborted();
    const some = found.slice(at, at + AT_ONCE).map(({ text }) => text);
    vectors.push(...(await embed(some, signal)));
    const done = begun + (1 - begun) * (vectors.length / found.length);
    adding.value = { name, done };
  }
  await cabinet.add(
    {
      id,
      name,
      kind,
      at: Date.now(),
      pages: pages.length,
      passages: found.length,
      characters: pages.reduce((sum, page) => sum + page.length, 0),
    },
    found.map((passage, number) => ({
      ...passage,
      document: id,
      number,
      vector: vectors[number]!,
    })),
  );
}

interface Read {
  kind: Document["kind"];
  pages: string[];
  /** Of the work of adding it, reading was so much: 0 to 1. */
  begun?: number;
}

/** Reading a picture takes longer than embedding what is read. */
const PICTURE_SHARE = 0.8;

async function textOfPicture(file: File, signal: AbortSignal): Promise<Read> {
  const { name } = file;
  const { readPicture } = await enterRoom();
  const text = await readPicture(file, {
    signal,
    onStage: (stage) => {
      const done = stage.at === "reading" ? stage.done * PICTURE_SHARE : 0;
      adding.value = { name, done, stage };
    },
    onPreview: (preview) => preview.close(),
  });
  if (text === "")
    throw new UnreadableFile("picture_no_text", `${name} shows no text`);
  return { kind: "text", pages: [text], begun: PICTURE_SHARE };
}

const read = (file: File, signal: AbortSignal): Promise<Read> =>
  isPicture(file) ? textOfPicture(file, signal) : textOf(file);

/** One after another; the first that fails ends it, and what was added before stays. */
async function add(
  name: string,
  read: (signal: AbortSignal) => Promise<Read>,
): Promise<boolean> {
  abort = new AbortController();
  addProblem.value = undefined;
  adding.value = { name, done: 0 };
  try {
    const { kind, pages, begun } = await read(abort.signal);
    await keep(name, kind, pages, abort.signal, begun);
    announce(t("documents.added", { name }));
    return true;
  } catch (error) {
    const problem = problemFrom(error);
    // Stopped, or a person did not want what reading it takes.
    if (!abort.signal.aborted && problem.code !== "AbortError")
      addProblem.value = { name, problem };
    return false;
  } finally {
    adding.value = undefined;
    await changed();
  }
}

export async function addFiles(files: readonly File[]): Promise<void> {
  if (adding.peek()) return;
  for (const file of files)
    if (!(await add(file.name, (signal) => read(file, signal)))) return;
}

export async function addNote(title: string, text: string): Promise<boolean> {
  if (adding.peek() || text.trim() === "") return false;
  return add(title, async () => ({ kind: "note", pages: [text] }));
}

export async function removeDocument(id: string): Promise<void> {
  await cabinet.remove(id);
  await changed();
}

export async function removeAllDocuments(): Promise<void> {
  stopAdding();
  await cabinet.clear();
  await changed();
}

async function everyPassage(): Promise<StoredPassage[]> {
  readable ??= (async () => {
    const each = documents.peek().map(({ id }) => cabinet.passagesOf(id));
    return (await Promise.all(each)).flat();
  })();
  return readable;
}

/** Of the nearest passage: what is further away is there only because nothing nearer was. */
const NEAR = 0.5;

/** The passages nearest to `question`, best first. */
export async function passagesFor(
  question: string,
  most: number,
  signal: AbortSignal,
): Promise<StoredPassage[]> {
  const all = await everyPassage();
  if (all.length === 0) return [];
  const [vector] = await embed([question], signal);
  const found = search(question, vector!, all, most);
  const best = Math.max(...found.map(({ similarity }) => similarity));
  return found
    .filter(({ similarity }, at) => at === 0 || similarity >= best * NEAR)
    .map(({ index }) => all[index]!);
}

export function sourceOf({ document, number, page }: StoredPassage): Source {
  const known = documents.peek().find(({ id }) => id === document);
  return {
    document,
    name: known?.name ?? "",
    number,
    page,
    paged: known?.kind === "pdf",
  };
}

/** Undefined once the document was deleted. */
export const passageOf = async ({ document, number }: Source) =>
  cabinet.passage(document, number).catch(() => undefined);
