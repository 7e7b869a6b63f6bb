// The text of a PDF by page, by pdf.js in a worker of its own. It draws nothing, runs no script of the file and loads
// nothing but the character maps beside this page.
import {
  getDocument,
  PDFWorker,
  type PDFPageProxy,
} from "pdfjs-dist/legacy/build/pdf.mjs";
import type { TextContent } from "pdfjs-dist/types/src/display/api";
import Reader from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?worker";

/** The file names a character map that is neither in it nor on this device, and the page's host was not to be reached. */
export class MissingMap extends Error {}

const MAPS = "./cmaps/";

/** Where pdf.js gets what a file names instead of holding: the maps beside this page. Fonts it needs to draw only. */
function fetcher(missing: Set<string>) {
  return class {
    async fetch({ kind, filename }: { kind: string; filename: string }) {
      if (kind !== "cMapUrl") throw new Error(`${filename} is not needed here`);
      const name = encodeURIComponent(filename);
      try {
        const response = await fetch(new URL(MAPS + name, document.baseURI));
        if (!response.ok) throw new Error(`status ${response.status}`);
        return new Uint8Array(await response.arrayBuffer());
      } catch (error) {
        missing.add(filename);
        throw error;
      }
    }
  };
}

async function textOfPage(page: PDFPageProxy): Promise<string> {
  // Not getTextContent: that iterates over the stream, which WebKit cannot yet.
  const reader = (
    page.streamTextContent() as ReadableStream<TextContent>
  ).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    for (const item of value.items) {
      if (!("str" in item)) continue;
      text += item.str;
      if (item.hasEOL) text += "\n";
    }
  }
  page.cleanup();
  // A word divided at the end of a line is one word.
  return text.replace(/(\p{L})-\n(\p{Ll})/gu, "$1$2");
}

export async function readPdf(
  data: ArrayBuffer,
  most: { mostPages: number; mostCharacters: number },
): Promise<string[]> {
  const thread = new Reader();
  const worker = PDFWorker.create({ port: thread });
  const missing = new Set<string>();
  const task = getDocument({
    data,
    worker,
    isEvalSupported: false,
    disableFontFace: true,
    useWasm: false,
    cMapUrl: MAPS,
    cMapPacked: true,
    useWorkerFetch: false,
    BinaryDataFactory: fetcher(missing),
  });
  try {
    const file = await task.promise;
    const pages: string[] = [];
    let characters = 0;
    for (let at = 1; at <= Math.min(file.numPages, most.mostPages); at += 1) {
      const text = await textOfPage(await file.getPage(at));
      // Its text would be silently short of all that is written in that font.
      if (missing.size > 0) throw new MissingMap([...missing].join(", "));
      characters += text.length;
      if (characters > most.mostCharacters) break;
      pages.push(text);
    }
    return pages;
  } finally {
    await task.destroy().catch(() => undefined);
    worker.destroy();
    thread.terminate();
  }
}
