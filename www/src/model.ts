// The one loaded model and how it comes here: what is offered, loading with progress, ready, failed.
import { computed, signal } from "@preact/signals";
import type {
  DeletableModel,
  LoadProgress,
  Smidgen,
  StoredModel,
} from "smidgen";
import { announce } from "./announcer";
import { saveFile } from "./archive";
import { careful, marked, saving } from "./care";
import { addressOf, ENCODER } from "./catalogue";
import { type Pace, pacer } from "./download-pace";
import { percent, t } from "./i18n";
import { type Problem, problemFrom } from "./problem";
import { read, write } from "./remember";
import { engineCanStart, keepExtras } from "./shell";
import { LAST_MODEL } from "./visits";

export type Llm = Awaited<ReturnType<typeof Smidgen.load>>;

/** What a person may start: an address, a file they opened, a model that is already on this device. */
export type Source =
  | { kind: "url"; url: string; name: string }
  | { kind: "file"; file: File; name: string }
  | { kind: "stored"; id: string; name: string; url?: string };

export type ModelState =
  | { phase: "checking" }
  /** `bytes`: size of the download where it is known without asking another host. */
  | { phase: "offered"; source: Source; bytes?: number; paused?: LoadProgress }
  | { phase: "missing" }
  | { phase: "loading"; source: Source; progress?: LoadProgress; pace?: Pace }
  | { phase: "ready"; source: Source; llm: Llm }
  | { phase: "failed"; source: Source; problem: Problem };

export const model = signal<ModelState>({ phase: "checking" });
export const stored = signal<StoredModel[]>([]);
export const llm = computed(() =>
  model.value.phase === "ready" ? model.value.llm : undefined,
);

const DEFAULT_MODEL: string =
  import.meta.env.VITE_MODEL_URL ?? "./models/SmolLM2-135M-Instruct.Q4_1.gguf";

/** The engine is a separate download: the page paints before it. */
export const engine = async () => (await import("smidgen")).Smidgen;

export function fromUrl(
  text: string,
): Extract<Source, { kind: "url" }> | undefined {
  let url: URL;
  try {
    url = new URL(text.trim(), document.baseURI);
  } catch {
    return undefined;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  // The page of a file on the hub is copied more often than the link to its bytes.
  if (url.hostname === "huggingface.co")
    url.pathname = url.pathname.replace(
      /^(\/[^/]+\/[^/]+)\/blob\//,
      "$1/resolve/",
    );
  url.hash = "";
  const last = url.pathname.split("/").pop() ?? "";
  return { kind: "url", url: url.href, name: decoded(last) || url.hostname };
}

export const fromFile = (file: File): Source => ({
  kind: "file",
  file,
  name: file.name,
});

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

export async function refreshStored(): Promise<void> {
  try {
    stored.value = await (await engine()).models.list();
  } catch {
    // Storage may be switched off (private windows): then nothing is on this device.
    stored.value = [];
  }
}

/**
 * The size of a file on this page's own host: null where it has none, undefined where it does not say. Another host
 * hears nothing before a person presses the button.
 */
export async function sizeBeside(
  url: string,
): Promise<number | null | undefined> {
  if (new URL(url).origin !== location.origin) return undefined;
  try {
    const response = await fetch(url, { method: "HEAD", cache: "no-store" });
    if (!response.ok) return null;
    if (/^text\/html\b/.test(response.headers.get("content-type") ?? ""))
      return null;
    return Number(response.headers.get("content-length")) || undefined;
  } catch {
    return undefined;
  }
}

/** True for an entry of the list that is no model to chat with: the one that reads documents for the search. */
export const isEncoder = ({ url }: { url?: string }) =>
  url !== undefined &&
  [new URL(ENCODER.beside, document.baseURI).href, addressOf(ENCODER)].includes(
    url,
  );

const complete = () =>
  stored.value.filter((entry) => entry.complete && !isEncoder(entry));

const storedAs = (wanted: string) => {
  const url = fromUrl(wanted)?.url;
  return complete().find((entry) => url !== undefined && entry.url === url);
};

function lastUsed(): StoredModel | undefined {
  const last = read(LAST_MODEL);
  return (
    complete().find(({ id }) => id === last) ??
    complete().sort((a, b) => b.lastUsedAt - a.lastUsedAt)[0]
  );
}

/** First visit: an offer with its size. Later visits: the stored model starts by itself. */
export async function startModel(): Promise<void> {
  await refreshStored();
  const asked = new URLSearchParams(location.search).get("model");
  const onDevice = asked ? storedAs(asked) : lastUsed();
  if (onDevice) return load(fromStored(onDevice));
  const source = fromUrl(asked ?? DEFAULT_MODEL) ?? fromUrl(DEFAULT_MODEL)!;
  const bytes = await sizeBeside(source.url);
  if (model.value.phase !== "checking") return;
  if (bytes === null && !asked) model.value = { phase: "missing" };
  else
    model.value = {
      phase: "offered",
      source,
      ...(bytes ? { bytes } : {}),
    };
}

export const fromStored = (entry: StoredModel): Source => ({
  kind: "stored",
  id: entry.id,
  name: entry.name,
  ...(entry.url === undefined ? {} : { url: entry.url }),
});

/** A copy that is gone or damaged is of no use: what is tried next is its address. */
function again(source: Source, { code }: Problem): Source {
  if (source.kind !== "stored" || source.url === undefined) return source;
  const lost = ["storage_corrupt", "sha256_mismatch", "model_not_stored"];
  return (lost.includes(code) && fromUrl(source.url)) || source;
}

/** A download that stopped on its way, to be continued; undefined where its address is not known. */
export const resumed = (entry: StoredModel): Source | undefined =>
  entry.url === undefined ? undefined : fromUrl(entry.url);

export async function deleteStored(entry: StoredModel): Promise<void> {
  const state = model.peek();
  if (state.phase === "ready" && state.llm.info.id === entry.id) await unload();
  await (await engine()).models.delete(entry.id);
  await refreshStored();
}

export async function pinStored(
  entry: StoredModel,
  pinned: boolean,
): Promise<void> {
  await (await engine()).models.pin(entry.id, pinned);
  await refreshStored();
}

/** Every chunk is checked on the way. */
export async function saveStored(entry: StoredModel): Promise<void> {
  const file = await (await engine()).models.export(entry.id);
  // Exported under its own name, it is imported under it.
  saveFile(entry.name, file);
}

export async function importFile(file: File): Promise<void> {
  await (await engine()).models.import(file);
  await refreshStored();
}

/** What could go to make room, used longest ago first; nothing that is pinned. */
export async function deletable(): Promise<DeletableModel[]> {
  try {
    return (await (await engine()).models.estimate()).deletable;
  } catch {
    return [];
  }
}

const argument = (source: Source) => {
  switch (source.kind) {
    case "url":
      return source.url;
    case "file":
      return source.file;
    case "stored":
      return { id: source.id };
  }
};

const LAST_FLAVOUR = "smidgen:flavour";
const FLAVOURS = [
  "simd128",
  "relaxed",
  "simd128-threads",
  "relaxed-threads",
] as const;
/** Of a device that is low on battery. */
const FEW_THREADS = 2;
const CAREFUL_CONTEXT = 1024;

/** As many threads as help; after a crash one, and less memory, in the flavour that is here also offline. */
function configuration() {
  if (!careful.peek())
    return { threads: saving.peek() ? FEW_THREADS : ("auto" as const) };
  return { threads: 1, contextLength: CAREFUL_CONTEXT, ...sameFlavour() };
}

/** The flavour that the last model ran in: of that one this device holds the engine. */
export function sameFlavour() {
  const flavour = FLAVOURS.find((one) => one === read(LAST_FLAVOUR));
  return flavour ? { flavour } : {};
}

/** Loads the model again, as it is now to be configured. */
export async function reload(): Promise<void> {
  const state = model.peek();
  if (state.phase !== "ready") return;
  const { id, cached } = state.llm.info;
  const { name } = state.source;
  await load(cached ? { kind: "stored", id, name } : state.source);
}

let loading: AbortController | undefined;

/** Heard at every quarter, not at every chunk. */
let heard = "";
function announceProgress({ phase, loadedBytes, totalBytes }: LoadProgress) {
  if (!totalBytes) return;
  const quarter = Math.floor((loadedBytes / totalBytes) * 4) / 4;
  const line = `${t(`load.${phase}`)} ${percent(quarter)}`;
  if (line !== heard && quarter < 1) announce(line);
  heard = line;
}

/** `makeRoom`: a person agreed that models used longest ago are deleted for this one. */
export async function load(
  source: Source,
  { makeRoom = false }: { makeRoom?: boolean } = {},
): Promise<void> {
  loading?.abort();
  // A person asked for this model: it is worth asking the browser to keep it. Some ask the person; no need to wait.
  if (source.kind === "url")
    void engine().then((Smidgen) => Smidgen.models.persist().catch(() => {}));
  const control = new AbortController();
  loading = control;
  const current = () => loading === control;
  await llm.peek()?.unload();
  model.value = { phase: "loading", source };
  const paceAt = pacer();
  let last: LoadProgress | undefined;
  try {
    await engineCanStart();
    const Smidgen = await engine();
    const ready = await marked(() =>
      Smidgen.load(argument(source), {
        signal: control.signal,
        makeRoom,
        ...configuration(),
        onProgress: (progress) => {
          if (!current()) return;
          last = progress;
          const { phase, loadedBytes, totalBytes } = progress;
          const pace =
            phase === "download"
              ? paceAt(loadedBytes, totalBytes, performance.now())
              : undefined;
          model.value = {
            phase: "loading",
            source,
            progress,
            ...(pace ? { pace } : {}),
          };
          announceProgress(progress);
        },
      }),
    );
    // What the page says of the model being kept is known then; it is a moment behind the last byte.
    await ready.stored;
    if (!current()) return void ready.unload();
    model.value = { phase: "ready", source, llm: ready };
    announce(t("load.ready"));
    await refreshStored();
    if (ready.info.cached) write(LAST_MODEL, ready.info.id);
    write(LAST_FLAVOUR, ready.info.flavour);
    keepExtras();
  } catch (error) {
    if (!current()) return;
    if (control.signal.aborted) {
      const paused = last?.phase === "download" ? last : undefined;
      model.value = {
        phase: "offered",
        source,
        ...(paused ? { paused } : {}),
      };
      announce(t(paused ? "load.paused" : "load.cancelled"));
      return;
    }
    const problem = problemFrom(error);
    model.value = { phase: "failed", source: again(source, problem), problem };
  } finally {
    if (current()) loading = undefined;
  }
}

export const cancelLoad = () => loading?.abort();

export async function unload(): Promise<void> {
  const state = model.peek();
  if (state.phase !== "ready") return;
  model.value = { phase: "offered", source: state.source };
  await state.llm.unload();
}

/** Resolves when a model is ready; rejects with the problem if it does not get there. */
export function whenReady(abort: AbortSignal): Promise<Llm> {
  return new Promise((resolve, reject) => {
    let stop: (() => void) | undefined;
    const settle = (act: () => void) => {
      stop?.();
      abort.removeEventListener("abort", onAbort);
      act();
    };
    const onAbort = () =>
      settle(() => reject(new DOMException("stopped", "AbortError")));
    abort.addEventListener("abort", onAbort);
    let settled = false;
    stop = model.subscribe((state) => {
      if (settled) return;
      if (state.phase === "ready") {
        settled = true;
        queueMicrotask(() => settle(() => resolve(state.llm)));
      } else if (state.phase === "failed" || state.phase === "missing") {
        settled = true;
        const problem =
          state.phase === "failed"
            ? state.problem
            : { code: "no_model", message: "" };
        queueMicrotask(() => settle(() => reject(problem)));
      }
    });
  });
}
