// Where a model is to come from, as the caller says it → as the worker needs it. Fetches nothing.

import { badArgument } from "./arguments.ts";
import { SmidgenError } from "./errors.ts";
import type { WireSource } from "./protocol.ts";
import type { ModelSource } from "./types.ts";

export function toWireSource(source: ModelSource): WireSource {
  if (typeof source === "string" || source instanceof URL) {
    return { kind: "url", url: absolute(source) };
  }
  if (source instanceof Blob) {
    const file = source instanceof File ? source : undefined;
    const name = file?.name ?? "model";
    return {
      kind: "blob",
      blob: source,
      name,
      id: `file:${name}:${source.size}:${file?.lastModified ?? 0}`,
    };
  }
  if (typeof source === "object" && source !== null && "id" in source) {
    return { kind: "stored", id: source.id };
  }
  if (typeof source === "object" && source !== null && "url" in source) {
    const { sha256 } = source;
    if (sha256 === undefined) return { kind: "url", url: absolute(source.url) };
    if (!/^[0-9a-f]{64}$/i.test(sha256)) {
      throw badArgument("sha256", sha256, "64 hexadecimal digits");
    }
    return {
      kind: "url",
      url: absolute(source.url),
      sha256: sha256.toLowerCase(),
    };
  }
  throw new SmidgenError(
    "bad_argument",
    "the model source is none of: an address, a File or Blob, { url, sha256 }, { id }",
  );
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
