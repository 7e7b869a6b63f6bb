// Where a model is to come from, as the caller says it → as the worker needs it. Fetches nothing.

import { badArgument, text } from "./arguments.ts";
import { SmidgenError } from "./errors.ts";
import type { WireFile, WireFiles, WireSource } from "./protocol.ts";
import type { ModelSource } from "./types.ts";

const HUB = "https://huggingface.co";

export function toWireSource(source: ModelSource): WireSource {
  if (Array.isArray(source)) return filesOf(source.map(fileOf));
  if (
    typeof source === "string" ||
    source instanceof URL ||
    source instanceof Blob
  ) {
    return fileOf(source);
  }
  if (typeof source === "object" && source !== null) {
    if ("id" in source) return { kind: "stored", id: source.id };
    if ("repo" in source) return hubFiles(source);
    if ("url" in source) {
      const { sha256 } = source;
      const url = absolute(source.url);
      if (sha256 === undefined) return { kind: "url", url };
      if (!/^[0-9a-f]{64}$/i.test(sha256)) {
        throw badArgument("sha256", sha256, "64 hexadecimal digits");
      }
      return { kind: "url", url, sha256: sha256.toLowerCase() };
    }
  }
  throw new SmidgenError(
    "bad_argument",
    "the model source is none of: an address, a name of the catalogue, a File or Blob, an array of those, { url, sha256 }, { repo, file }, { id }",
  );
}

/** What tells a model from others. */
export function idOf(source: WireSource): string {
  return source.kind === "url" ? source.url : source.id;
}

/** Where a file lies in its folder, as far as that is known. */
export function pathOf(file: WireFile): string {
  if (file.kind === "blob") return file.path ?? file.name;
  const address = idOf(file);
  if (!URL.canParse(address)) return address;
  // A repository's folders have at most one level that matters.
  const parts = new URL(address).pathname.split("/").slice(-2);
  return parts.map(decoded).join("/");
}

/** What a person would call the file. */
export function nameOf(file: WireFile): string {
  return pathOf(file).split("/").pop() || idOf(file);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function fileOf(file: string | URL | Blob): WireFile {
  if (!(file instanceof Blob)) return { kind: "url", url: absolute(file) };
  const named = file instanceof File ? file : undefined;
  const name = named?.name ?? "model";
  return {
    kind: "blob",
    blob: file,
    name,
    id: `file:${name}:${file.size}:${named?.lastModified ?? 0}`,
    ...(named?.webkitRelativePath ? { path: named.webkitRelativePath } : {}),
  };
}

function hubFiles({
  repo,
  file,
  revision = "main",
  hub = HUB,
}: Extract<ModelSource, { repo: string }>): WireSource {
  if (!/^[\w.-]+\/[\w.-]+$/.test(text("repo", repo))) {
    throw badArgument("repo", repo, "owner/name");
  }
  const path = (part: string) =>
    part.split("/").map(encodeURIComponent).join("/");
  const base = absolute(hub).replace(/\/$/, "");
  const address = (name: string): WireFile => ({
    kind: "url",
    url: `${base}/${repo}/resolve/${encodeURIComponent(text("revision", revision))}/${path(text("file", name))}`,
  });
  return Array.isArray(file) ? filesOf(file.map(address)) : address(file);
}

/** In the order in which the engine reads them; what it does not read is left out. */
function filesOf(given: WireFile[]): WireSource {
  const named = given.map((file) => ({ file, name: nameOf(file) }));
  const ending = (...ends: string[]) =>
    named
      .filter(({ name }) => ends.some((end) => name.endsWith(end)))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  const gguf = ending(".gguf");
  const weights = ending(".safetensors");
  const folder = weights.length > 0;
  if (folder === gguf.length > 0) {
    throw badArgument(
      "source",
      named.map(({ name }) => name).join(", ") || "no file",
      "the parts of one GGUF, or the files of a Hugging Face folder with its .safetensors",
    );
  }
  // Weights are read last. What else is of no use the engine knows.
  const ordered = folder ? [...ending(".json", ".jinja"), ...weights] : gguf;
  const files = ordered.map(({ file }) => file);
  if (files.length === 1 && !folder) return files[0]!;
  const id = files.map(idOf).join(" ");
  return { kind: "files", files, id, folder } satisfies WireFiles;
}

/** Relative addresses are the page's, also where the package itself runs in a worker. */
function pageAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}

/** Without what a page keeps for itself behind "#". */
export function absolute(address: string | URL): string {
  let url: URL;
  try {
    url = new URL(String(address), pageAddress());
  } catch {
    throw new SmidgenError(
      "bad_argument",
      `${JSON.stringify(String(address))} is not an address`,
    );
  }
  url.hash = "";
  return url.href;
}
