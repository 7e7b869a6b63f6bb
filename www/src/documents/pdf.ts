// The text of a PDF by page, by pdf.js in a worker of its own. It draws nothing, runs no script of the file and loads
// nothing but the character maps beside this page.
import {
  getDocument,
  PDFWorker,
  type PDFPageProxy,
} from "pdfjs-dist/legacy/build/pdf.mjs";
import Reader from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?worker";

async function textOfPage(page: PDFPageProxy): Promise<string> {
  const { items } = await page.getTextContent();
  let text = "";
  for (const item of items) {
    if (!("str" in item)) continue;
    text += item.str;
    if (item.hasEOL) text += "\n";
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
  const task = getDocument({
    data,
    worker,
    isEvalSupported: false,
    disableFontFace: true,
    useWasm: false,
    cMapUrl: new URL("./cmaps/", document.baseURI).href,
    cMapPacked: true,
  });
  try {
    const file = await task.promise;
    const pages: string[] = [];
    let characters = 0;
    for (let at = 1; at <= Math.min(file.numPages, most.mostPages); at += 1) {
      const text = await textOfPage(await file.getPage(at));
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
