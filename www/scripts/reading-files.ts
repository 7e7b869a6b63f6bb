// What reads pictures (tesseract.js's worker, its wasm, its language data) as files of the built page, in a folder named
// by what they hold. A plugin for the build: it tells the page the folder and the sizes, nothing of it is in a bundle.
import type { Plugin } from "vite";

const MODULE = "virtual:reading-files";

/** Of each language the smallest of the forms that the recogniser's LSTM-only build reads: whole numbers, compressed. */
const data = (language: string) =>
  `@tesseract.js-data/${language}/4.0.0_best_int/${language}.traineddata.gz`;

const FILES = [
  "tesseract.js/dist/worker.min.js",
  // The engine of this page needs SIMD too, so no build without is carried; WebKit has no relaxed SIMD.
  "tesseract.js-core/tesseract-core-simd-lstm.js",
  "tesseract.js-core/tesseract-core-simd-lstm.wasm",
  ...["eng", "deu", "spa", "ara", "chi_sim"].map(data),
];

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const readingFiles = (): Plugin => ({
  name: "reading-files",
  apply: "build",
  resolveId: (id) => (id === MODULE ? `\0${MODULE}` : undefined),
  async load(id) {
    if (id !== `\0${MODULE}`) return undefined;
    const sources: [string, Uint8Array<ArrayBuffer>][] = [];
    let sums = "";
    for (const path of FILES) {
      // By their place in node_modules: some of these are named by no package's entry.
      const bytes = await this.fs.readFile(`node_modules/${path}`);
      const source = new Uint8Array(bytes);
      sums += hex(await sha256(source));
      sources.push([nameOf(path), source]);
    }
    const all = await sha256(new TextEncoder().encode(sums));
    const folder = `ocr/${hex(all).slice(0, 10)}/`;
    for (const [name, source] of sources)
      this.emitFile({ type: "asset", fileName: folder + name, source });
    // Not among the sizes: it goes with the files, the page has no use for it.
    const licence = "node_modules/tesseract.js-core/LICENSE";
    this.emitFile({
      type: "asset",
      fileName: `${folder}LICENSE.txt`,
      source: new Uint8Array(await this.fs.readFile(licence)),
    });
    const sizes = sources.map(([name, source]) => [name, source.length]);
    return [
      `export const folder = ${JSON.stringify(folder)};`,
      `export const sizes = ${JSON.stringify(Object.fromEntries(sizes))};`,
    ].join("\n");
  },
});
