// The files that reading pictures takes: which of them are on this device, fetching them, deleting them.
// They lie in a cache of their own, out of which the service worker answers (sw.ts); nothing fetches them unasked.
import { signal } from "@preact/signals";
import { folder, sizes } from "virtual:reading-files";
import { READING_CACHE } from "../reading-room";
import { engineCanStart } from "../shell";
import type { Language } from "../i18n";

/** What the page's languages are called there. */
export const SCRIPTS = {
  en: "eng",
  de: "deu",
  es: "spa",
  ar: "ara",
  zh: "chi_sim",
} as const satisfies Record<Language, string>;

const RECOGNISER = Object.keys(sizes).filter(
  (name) => !name.endsWith(".traineddata.gz"),
);
export const WORKER = "worker.min.js";
export const CORE = "tesseract-core-simd-lstm.js";

export const address = (name = "") =>
  new URL(folder + name, document.baseURI).href;

/** English stands in pictures of every language. */
export const scriptsFor = (language: Language): string[] => [
  ...new Set([SCRIPTS[language], SCRIPTS.en]),
];

const filesFor = (language: Language): string[] => [
  ...RECOGNISER,
  ...scriptsFor(language).map((script) => `${script}.traineddata.gz`),
];

/** Names of the files that are on this device. */
export const kept = signal<ReadonlySet<string>>(new Set());

const sum = (names: Iterable<string>) =>
  [...names].reduce((total, name) => total + (sizes[name] ?? 0), 0);

export const keptBytes = () => sum(kept.value);

export const keptLanguages = () =>
  (Object.keys(SCRIPTS) as Language[]).filter((language) =>
    kept.value.has(`${SCRIPTS[language]}.traineddata.gz`),
  );

const missing = (language: Language) =>
  filesFor(language).filter((name) => !kept.value.has(name));

/** What reading that language would still have to fetch. */
export const missingBytes = (language: Language) => sum(missing(language));

/** Without a secure context there is no cache: then they are here as long as this page. */
const cache = () =>
  "caches" in globalThis
    ? caches.open(READING_CACHE).catch(() => undefined)
    : undefined;

/** Looks which there are: another tab may have fetched or deleted them. */
export async function lookForFiles(): Promise<void> {
  if (!("caches" in globalThis)) return;
  const here = new Set<string>();
  // Asking must not make the cache.
  if (await caches.has(READING_CACHE).catch(() => false)) {
    const found = (await (await cache())?.keys()) ?? [];
    const urls = new Set(found.map(({ url }) => url));
    for (const name of Object.keys(sizes))
      if (urls.has(address(name))) here.add(name);
  }
  kept.value = here;
}

class Unreachable extends Error {
  readonly code = "reading_unreachable";
}

async function fetchFile(
  name: string,
  abort: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  try {
    // What is kept in the page's own cache is not wanted in the browser's as well.
    const response = await fetch(address(name), {
      signal: abort,
      ...("caches" in globalThis ? { cache: "no-store" } : {}),
    });
    const type = response.headers.get("content-type") ?? "";
    // Some hosts answer with a page of their own where there is no file.
    if (!response.ok || type.startsWith("text/html"))
      throw new Error(`status ${response.status}, ${type}`);
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts, { type });
      parts.push(value);
      onBytes(value.length);
    }
  } catch (error) {
    abort.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unreachable(`${name}: ${reason}`);
  }
}

/** Fetches what that language lacks; a file is kept whole or not at all. `onDone`: 0 to 1. */
export async function fetchFiles(
  language: Language,
  abort: AbortSignal,
  onDone: (done: number) => void,
): Promise<void> {
  // The recogniser's own requests are to be answered by the service worker.
  await engineCanStart();
  const names = missing(language);
  const total = sum(names);
  let come = 0;
  for (const name of names) {
    const file = await fetchFile(name, abort, (count) => {
      come += count;
      onDone(Math.min(1, come / total));
    });
    // A device without room reads all the same, and fetches again another time.
    await (
      await cache()
    )
      ?.put(address(name), new Response(file))
      .catch(() => undefined);
    kept.value = new Set([...kept.value, name]);
  }
}

export async function deleteFiles(): Promise<void> {
  if ("caches" in globalThis) await caches.delete(READING_CACHE);
  kept.value = new Set();
}
