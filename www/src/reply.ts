// Writing one reply: streams it from the model onto the screen and into storage, and can be stopped.
import { signal } from "@preact/signals";
import { announce, announceText } from "./announcer";
import {
  type Message,
  newMessage,
  promptMessages,
  type Sampling,
  type Speed,
} from "./conversation";
import * as desk from "./desk";
import { t } from "./i18n";
import { whenReady } from "./model";
import { explain, problemFrom } from "./problem";

export interface Replying {
  message: Message;
  /** `waiting`: for the model to load; `reading`: prefill; `writing`: decode. */
  stage: "waiting" | "reading" | "writing";
}

export const replying = signal<Replying | undefined>(undefined);
/** The text of the reply being written; a signal of its own so that a token redraws one message only. */
export const written = signal("");

/** A crash loses at most this much of a reply. */
const SAVE_EVERY_MS = 500;

let abort: AbortController | undefined;

export const stop = () => abort?.abort();

export async function send(text: string): Promise<void> {
  if (replying.value || text.trim() === "") return;
  const { id } = desk.open.value;
  await reply(id, desk.messages.value, newMessage(id, "user", text));
}

/** Writes the last reply again. */
export async function regenerate(message: Message): Promise<void> {
  if (replying.value) return;
  const cut = desk.cutFrom(message.id);
  await Promise.all([cut, reply(desk.open.value.id, desk.messages.value)]);
}

/** Asks something else at an earlier point; what followed is gone. */
export async function edit(message: Message, text: string): Promise<void> {
  if (replying.value || text.trim() === "") return;
  const cut = desk.cutFrom(message.id);
  await Promise.all([cut, send(text)]);
}

/** Only what a person set: the rest is the engine's default. */
const parameters = (sampling: Sampling) =>
  Object.fromEntries(
    Object.entries({
      temperature: sampling.temperature,
      top_p: sampling.topP,
      top_k: sampling.topK,
      min_p: sampling.minP,
      repetition_penalty: sampling.repetitionPenalty,
      max_completion_tokens: sampling.maxTokens,
      seed: sampling.seed,
    }).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );

/** Runs `work` while this tab holds the reply's lock, by which other tabs know it is alive. */
const holding = (messageId: string, work: () => Promise<void>) =>
  navigator.locks
    ? navigator.locks.request(desk.replyLock(messageId), work)
    : work();

/** The conversation is named once: the reader may open another one while this is written. */
async function reply(
  conversationId: string,
  before: readonly Message[],
  asked?: Message,
): Promise<void> {
  const history = asked ? [...before, asked] : before;
  let message: Message = {
    ...newMessage(conversationId, "assistant", ""),
    outcome: "writing",
  };
  abort = new AbortController();
  const { signal: stopped } = abort;
  written.value = "";
  replying.value = { message, stage: "waiting" };
  await holding(message.id, async () => {
    await desk.say(conversationId, ...(asked ? [asked] : []), message);
    announce(t("live.thinking"));
    try {
      message = await write(message, history, stopped);
      announce(t(stopped.aborted ? "live.stopped" : "live.done"));
    } catch (error) {
      message = { ...message, content: written.value };
      if (stopped.aborted) {
        message = { ...message, outcome: "stopped" };
        announce(t("live.stopped"));
      } else {
        const problem = problemFrom(error);
        message = { ...message, outcome: "failed", problem };
        announce(t("live.failed", { reason: explain(problem) }));
      }
    } finally {
      await desk.changeMessage(message);
      replying.value = undefined;
      abort = undefined;
    }
  });
}

async function write(
  start: Message,
  history: readonly Message[],
  stopped: AbortSignal,
): Promise<Message> {
  let message = start;
  const conversation = desk.conversation(start.conversationId);
  const llm = await whenReady(stopped);
  replying.value = { message, stage: "reading" };
  const stream = await llm.chat.completions.create(
    {
      ...parameters(conversation.sampling),
      messages: promptMessages(conversation, history),
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal: stopped },
  );
  const sentences = announceText();
  let text = "";
  let speed: Speed | undefined;
  let outcome: Message["outcome"] = "complete";
  let savedAt = performance.now();
  let frame = 0;
  const show = () => {
    frame = 0;
    written.value = text;
  };
  try {
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      const piece = choice?.delta.content ?? "";
      if (piece !== "") {
        if (replying.value?.stage !== "writing")
          replying.value = { message, stage: "writing" };
        text += piece;
        sentences.add(piece);
        // Tokens may come faster than the screen shows them.
        frame ||= requestAnimationFrame(show);
        const now = performance.now();
        if (now - savedAt >= SAVE_EVERY_MS) {
          savedAt = now;
          message = { ...message, content: text };
          void desk.saveQuietly(message);
        }
      }
      if (choice?.finish_reason === "length") outcome = "length";
      if (chunk.timings)
        speed = {
          tokens: chunk.timings.decodeTokens,
          tokensPerSecond: chunk.timings.decodeTps,
          firstTokenMs: chunk.timings.timeToFirstTokenMs,
        };
    }
  } finally {
    if (frame) cancelAnimationFrame(frame);
    show();
    sentences.finish();
  }
  return {
    ...message,
    content: text,
    outcome: stopped.aborted ? "stopped" : outcome,
    ...(speed ? { speed } : {}),
  };
}
