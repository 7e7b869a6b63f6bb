// Pictures in the composer: each is read as soon as it is given, and its text then goes with the message as a file's does.
// The picture itself stays in this tab's memory until then, so that it can be read in another language, and is kept nowhere.
import { effect, signal } from "@preact/signals";
import { announce } from "../announcer";
import { MOST_ATTACHED, newId } from "../conversation";
import * as desk from "../desk";
import { type Language, t } from "../i18n";
import { type Problem, problemFrom } from "../problem";
import {
  chooseReadingLanguage,
  readingLanguage,
  readPicture,
  type Stage,
} from "./reading";

export interface Picture {
  id: string;
  conversation: string;
  file: File;
  language: Language;
  preview?: ImageBitmap | undefined;
  /** Undefined once it was read or could not be. */
  stage?: Stage | undefined;
  /** Nothing in it was text. */
  empty?: boolean;
  problem?: Problem | undefined;
}

export const pictures = signal<Picture[]>([]);

const underWay = new Map<string, AbortController>();

const change = (id: string, to: Partial<Picture>) =>
  (pictures.value = pictures.value.map((each) =>
    each.id === id ? { ...each, ...to } : each,
  ));

export const pictureOf = (id: string) =>
  pictures.value.find((each) => each.id === id);

/** Those of a conversation that are still to become text, or became none. */
export const unread = (conversation: string) => {
  const texts = desk.conversation(conversation).attached ?? [];
  return pictures.value.filter(
    (each) =>
      each.conversation === conversation &&
      !texts.some(({ picture }) => picture === each.id),
  );
};

export const reading = (conversation: string) =>
  pictures.value.some(
    (each) => each.conversation === conversation && each.stage !== undefined,
  );

function stop(id: string): void {
  underWay.get(id)?.abort();
  underWay.delete(id);
}

/** Ends its reading, if it is being read, and forgets it. Its text, if there is one, stays. */
export function dropPicture(id: string): void {
  stop(id);
  pictureOf(id)?.preview?.close();
  pictures.value = pictures.value.filter((each) => each.id !== id);
}

/** After the message was sent. */
export function dropPictures(conversation: string): void {
  for (const { id, conversation: of } of pictures.peek())
    if (of === conversation) dropPicture(id);
}

// A conversation that was deleted has no use for its pictures.
effect(() => {
  for (const { id, conversation } of pictures.value)
    if (desk.conversation(conversation).id !== conversation)
      queueMicrotask(() => dropPicture(id));
});

function keepText({ id, conversation, file }: Picture, text: string): void {
  const { attached = [] } = desk.conversation(conversation);
  const mine = { name: file.name, text, picture: id };
  const there = attached.some(({ picture }) => picture === id);
  desk.changeConversation(conversation, {
    attached: there
      ? attached.map((each) => (each.picture === id ? mine : each))
      : [...attached, mine],
  });
}

async function read(id: string, asked: boolean): Promise<void> {
  stop(id);
  const picture = pictureOf(id);
  if (!picture) return;
  const { file, language } = picture;
  const { name } = file;
  const abort = new AbortController();
  underWay.set(id, abort);
  const mine = () => underWay.get(id) === abort;
  change(id, { empty: false, problem: undefined });
  try {
    const text = await readPicture(
      file,
      {
        signal: abort.signal,
        onStage: (stage) => {
          if (!mine()) return;
          const begins =
            stage.at === "reading" && pictureOf(id)?.stage?.at !== "reading";
          if (begins) announce(t("reading.started", { name }));
          change(id, { stage });
        },
        onPreview: (preview) => {
          if (!mine()) return;
          pictureOf(id)?.preview?.close();
          change(id, { preview });
        },
      },
      language,
      asked,
    );
    if (!mine()) return;
    if (text !== "") keepText(picture, text.slice(0, MOST_ATTACHED));
    change(id, { stage: undefined, empty: text === "" });
    announce(t(text === "" ? "reading.foundNone" : "reading.found", { name }));
  } catch (error) {
    if (!mine()) return;
    const problem = problemFrom(error);
    // Stopped, or a person did not want what it takes.
    if (problem.code === "AbortError") dropPicture(id);
    else change(id, { stage: undefined, problem });
  } finally {
    if (mine()) underWay.delete(id);
  }
}

export function addPicture(conversation: string, file: File): void {
  const id = newId();
  const language = readingLanguage.peek();
  const stage: Stage = { at: "looking" };
  pictures.value = [
    ...pictures.value,
    { id, conversation, file, language, stage },
  ];
  void read(id, false);
}

export const readAgain = (id: string) => void read(id, false);

/** The language stays chosen for the pictures to come. */
export function readIn(id: string, language: Language): void {
  chooseReadingLanguage(language);
  change(id, { language });
  void read(id, true);
}

/** Ends a reading whose picture has a text from before; that text stays. */
export function stopReading(id: string): void {
  const picture = pictureOf(id);
  if (!picture) return;
  const { attached = [] } = desk.conversation(picture.conversation);
  if (!attached.some((each) => each.picture === id)) return dropPicture(id);
  stop(id);
  change(id, { stage: undefined });
}

/** The choice of a language too. */
export function forgetPictures(): void {
  for (const { id } of pictures.peek()) dropPicture(id);
  chooseReadingLanguage(undefined);
}
