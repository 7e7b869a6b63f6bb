// A name of the catalogue → the file on the hub that it stands for. The catalogue is fetched with the first name.

import { badArgument, text } from "./arguments.ts";
import { isName } from "./catalogue-name.ts";
import { SmidgenError } from "./errors.ts";
import { toWireSource } from "./model-source.ts";
import type { WireSource } from "./protocol.ts";
import type { ModelSource } from "./types.ts";

export async function toKnownSource(source: ModelSource): Promise<WireSource> {
  if (typeof source === "string" && isName(source)) {
    return toWireSource(await hubFile(source));
  }
  if (typeof source === "object" && source !== null && "name" in source) {
    // A file has a name too.
    if (!(source instanceof Blob)) {
      const { name, ...where } = source;
      return toWireSource({ ...where, ...(await hubFile(text("name", name))) });
    }
  }
  return toWireSource(source);
}

async function hubFile(name: string): Promise<{ repo: string; file: string }> {
  const { CATALOGUE } = await import("./catalogue.ts").catch(
    (error: unknown) => {
      throw new SmidgenError(
        "engine_download",
        `catalogue.js, which tells what ${JSON.stringify(name)} stands for, could not be fetched: ${String(error)}`,
        { cause: error },
      );
    },
  );
  const found = CATALOGUE.find((model) => model.name === name.toLowerCase());
  if (!found) {
    throw badArgument(
      "name",
      name,
      `one of ${CATALOGUE.map((model) => model.name).join(", ")}; an address without a slash and an ending begins with "./"`,
    );
  }
  return { repo: found.repo, file: found.file };
}
