// The small model that turns texts into embeddings: where it comes from, loaded when needed, unloaded when idle.
import { signal } from "@preact/signals";
import type { LoadProgress } from "smidgen";
import { addressOf, ENCODER } from "../catalogue";
import {
  engine,
  isEncoder,
  type Llm,
  refreshStored,
  sameFlavour,
  sizeBeside,
  stored,
} from "../model";
import { type Problem, problemFrom } from "../problem";
import { engineCanStart } from "../shell";

export type EncoderState =
  | { phase: "unknown" }
  /** Not on this device. `host`: another one than this page's. */
  | { phase: "missing"; url: string; bytes: number; host?: string }
  | { phase: "loading"; progress?: LoadProgress }
  | { phase: "here" }
  | { phase: "failed"; problem: Problem };

export const encoder = signal<EncoderState>({ phase: "unknown" });

const beside = () => new URL(ENCODER.beside, document.baseURI).href;
const kept = () =>
  stored.value.find((entry) => entry.complete && isEncoder(entry));

/** Looks whether the encoder is here, and where else it would come from; asks only this page's own host. */
export async function findEncoder(): Promise<void> {
  if (encoder.peek().phase === "loading") return;
  await refreshStored();
  if (kept()) {
    encoder.value = { phase: "here" };
    return;
  }
  const bytes = await sizeBeside(beside());
  encoder.value = bytes
    ? { phase: "missing", url: beside(), bytes }
    : {
        phase: "missing",
        url: addressOf(ENCODER),
        bytes: ENCODER.bytes,
        host: new URL(addressOf(ENCODER)).host,
      };
}

/** Memory is for the chat: an encoder that nobody needs any more goes. */
const IDLE_MS = 60_000;

let loaded: Promise<Llm> | undefined;
let idle: ReturnType<typeof setTimeout> | undefined;

function rest(): void {
  clearTimeout(idle);
  idle = setTimeout(() => {
    const going = loaded;
    loaded = undefined;
    void going?.then((llm) => llm.unload());
  }, IDLE_MS);
}

async function open(source: string | { id: string }): Promise<Llm> {
  await engineCanStart();
  encoder.value = { phase: "loading" };
  try {
    const llm = await (
      await engine()
    ).load(source, {
      ...sameFlavour(),
      onProgress: (progress) => {
        encoder.value = { phase: "loading", progress };
      },
    });
    await llm.stored;
    encoder.value = { phase: "here" };
    return llm;
  } catch (error) {
    const problem = problemFrom(error);
    encoder.value = { phase: "failed", problem };
    loaded = undefined;
    throw problem;
  }
}

/** A person agreed to the download. */
export async function fetchEncoder(): Promise<void> {
  const state = encoder.peek();
  if (state.phase !== "missing") return;
  loaded = open(state.url);
  await loaded.then(rest, () => undefined);
  await refreshStored();
}

/** Embeddings of length 1, in the order of `texts`. */
export async function embed(
  texts: string[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  clearTimeout(idle);
  const entry = kept();
  if (!loaded && !entry)
    throw { code: "no_encoder", message: "the search model is not here" };
  loaded ??= open({ id: entry!.id });
  try {
    const llm = await loaded;
    const { embeddings } = await llm.embed(
      texts,
      signal ? { signal } : undefined,
    );
    return embeddings;
  } finally {
    rest();
  }
}
