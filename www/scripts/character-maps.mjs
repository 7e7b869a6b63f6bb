// Copies the character maps that some PDF files in Chinese, Japanese and Korean name instead of holding into the built
// page: part of `npm run build`.
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const reader = dirname(require.resolve("pdfjs-dist/package.json"));
const target = new URL("../dist/cmaps/", import.meta.url);
cpSync(join(reader, "cmaps"), target, { recursive: true });
