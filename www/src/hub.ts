// A repository of the hub as a list of model files. Asked only when a person names one.
// It refuses to go anywhere but the hub's list of files.

export interface HubFile {
  name: string;
  url: string;
  bytes: number;
}

const NAME = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;

/** “owner/name” of what a person typed, undefined where it names no repository. */
export function repositoryIn(text: string): string | undefined {
  const given = text.trim();
  if (NAME.test(given)) return given;
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    return undefined;
  }
  if (url.hostname !== "huggingface.co") return undefined;
  const [owner, name, kind] = url.pathname.split("/").filter(Boolean);
  if (!owner || !name || (kind !== undefined && kind !== "tree"))
    return undefined;
  const named = `${owner}/${name}`;
  return NAME.test(named) ? named : undefined;
}

/** A list beyond this is no list of models. */
const MOST_FILES = 200;

export class HubProblem extends Error {
  constructor(
    readonly code: "hub_unreachable" | "hub_unknown" | "hub_no_gguf",
    message: string,
  ) {
    super(message);
  }
}

/** The repository's single GGUF files, smallest first; parts of split models are left out. */
export async function filesOf(repository: string): Promise<HubFile[]> {
  const list = `https://huggingface.co/api/models/${repository}/tree/main?recursive=true`;
  let response: Response;
  try {
    response = await fetch(list, { credentials: "omit" });
  } catch (error) {
    throw new HubProblem("hub_unreachable", String(error));
  }
  if (!response.ok)
    throw new HubProblem(
      "hub_unknown",
      `${repository}: the hub answered ${response.status}`,
    );
  const entries: unknown = await response.json().catch(() => undefined);
  const files = (Array.isArray(entries) ? entries : [])
    .slice(0, 10_000)
    .filter(
      (entry): entry is { path: string; size: number } =>
        typeof entry?.path === "string" &&
        typeof entry.size === "number" &&
        /\.gguf$/i.test(entry.path) &&
        !/-\d{5}-of-\d{5}\.gguf$/i.test(entry.path) &&
        !/mmproj|imatrix/i.test(entry.path),
    )
    .map(({ path, size }) => ({
      name: path,
      bytes: size,
      url: `https://huggingface.co/${repository}/resolve/main/${path
        .split("/")
        .map(encodeURIComponent)
        .join("/")}`,
    }))
    .sort((a, b) => a.bytes - b.bytes)
    .slice(0, MOST_FILES);
  if (files.length === 0)
    throw new HubProblem("hub_no_gguf", `${repository} has no .gguf file`);
  return files;
}
