// Writing one reply: streams it from the model onto the screen and into storage, and can be stopped.
import { signal } from "@preact/signals";
import { announce, announceText } from "./announcer";
import { marked, noteSpeed, saving, SHORT_REPLY_TOKENS } from "./care";
import {
  type Attachment,
  type Message,
  newMessage,
  type Sampling,
  type Speed,
} from "./conversation";
import * as desk from "./desk";
import { t } from "./i18n";
import { whenReady } from "./model";
import { explain, problemFrom } from "./problem";
import { promptFor } from "./prompt";
import { inTurn } from "./turns";

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

/** Says what stands in the composer, with what is attached to it. */
export async function send(
  text: string,
  attachments: readonly Attachment[] = [],
): Promise<void> {
  if (replying.value || (text.trim() === "" && attachments.length === 0))
    return;
  const { id } = desk.open.value;
  const before = desk.messages.value;
  await reply(id, before, asked(id, text, attachments, before.at(-1)?.id));
}

function asked(
  conversationId: string,
  text: string,
  attachments: readonly Attachment[],
  parent: string | undefined,
): Message {
  return {
    ...newMessage(conversationId, "user", text, parent),
    ...(attachments.length > 0 ? { attachments: [...attachments] } : {}),
  };
}

const upTo = (message: Message) => {
  const list = desk.messages.value;
  return list.slice(
    0,
    list.findIndex(({ id }) => id === message.id),
  );
};

/** Writes a reply again, beside the one that is there. */
export async function regenerate(message: Message): Promise<void> {
  if (replying.value) return;
  await reply(message.conversationId, upTo(message));
}

/** Asks something else at an earlier point, beside what was asked there. */
export async function edit(message: Message, text: string): Promise<void> {
  if (replying.value || text.trim() === "") return;
  const { conversationId, attachments = [], parent } = message;
  await reply(
    conversationId,
    upTo(message),
    asked(conversationId, text, attachments, parent),
  );
}

/** Goes on where a reply was cut off. */
export async function goOn(message: Message): Promise<void> {
  if (replying.value) return;
  await reply(message.conversationId, upTo(message), undefined, message);
}

/** Only what a person set: the rest is the engine's default, and short while the device has to be spared. */
const parameters = (sampling: Sampling) =>
  Object.fromEntries(
    Object.entries({
      temperature: sampling.temperature,
      top_p: sampling.topP,
      top_k: sampling.topK,
      min_p: sampling.minP,
      repetition_penalty: sampling.repetitionPenalty,
      max_completion_tokens:
        sampling.maxTokens ?? (saving.peek() && SHORT_REPLY_TOKENS),
      seed: sampling.seed,
    }).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );

/** Runs `work` while this tab holds the reply's lock, by which other tabs know it is alive. */
const holding = (messageId: string, work: () => Promise<void>) =>
  navigator.locks
    ? navigator.locks.request(desk.replyLock(messageId), work)
    : work();

/**
 * The conversation is named once: the reader may open another one while this is written. `begun`: the reply that is
 * continued instead of a new one.
 */
async function reply(
  conversationId: string,
  before: readonly Message[],
  question?: Message,
  begun?: Message,
): Promise<void> {
  const history = question ? [...before, question] : before;
  let message: Message = begun
    ? continued(begun)
    : {
        ...newMessage(
          conversationId,
          "assistant",
          "",
          history[history.length - 1]?.id,
        ),
        outcome: "writing",
      };
  abort = new AbortController();
  const { signal: stopped } = abort;
  written.value = message.content;
  replying.value = { message, stage: "waiting" };
  await holding(message.id, async () => {
    if (begun) await desk.changeMessage(message);
    else
      await desk.say(conversationId, ...(question ? [question] : []), message);
    announce(t("live.thinking"));
    try {
      message = await marked(() =>
        inTurn(() => write(message, history, stopped), stopped),
      );
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

function continued(message: Message): Message {
  const { problem: _, ...rest } = message;
  return { ...rest, outcome: "writing" };
}

async function write(
  start: Message,
  history: readonly Message[],
  stopped: AbortSignal,
): Promise<Message> {
  let message = start;
  const begun = start.content;
  const conversation = desk.conversation(start.conversationId);
  const llm = await whenReady(stopped);
  replying.value = { message, stage: "reading" };
  const prompt = await promptFor(llm, conversation, history, stopped, begun);
  if (prompt.sources.length > 0)
    message = { ...message, sources: prompt.sources };
  if (prompt.leftOut > 0) message = { ...message, leftOut: prompt.leftOut };
  const stream = await llm.chat.completions.create(
    {
      ...parameters(conversation.sampling),
      messages: begun
        ? [
            ...prompt.messages,
            { role: "assistant" as const, content: begun, prefix: true },
          ]
        : prompt.messages,
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal: stopped },
  );
  const sentences = announceText();
  let text = begun;
  let speed: Speed | undefined;
  let outcome: Message["outcome"] = "complete";
  let promptTokens: number | undefined;
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
      promptTokens = chunk.usage?.prompt_tokens ?? promptTokens;
      if (chunk.timings)
        speed = {
          tokens: chunk.timings.decodeTokens,
          tokensPerSecond: chunk.timings.decodeTps,
          firstTokenMs: chunk.timings.timeToFirstTokenMs,
          contextLength: llm.info.contextLength,
          threads: llm.info.threads,
        };
    }
  } finally {
    if (frame) cancelAnimationFrame(frame);
    show();
    sentences.finish();
  }
  if (speed) {
    noteSpeed(llm.info.id, speed.tokens, speed.tokensPerSecond);
    if (promptTokens !== undefined) speed = { ...speed, promptTokens };
  }
  return {
    ...message,
    content: text,
    outcome: stopped.aborted ? "stopped" : outcome,
    ...(speed ? { speed } : {}),
  };
}
