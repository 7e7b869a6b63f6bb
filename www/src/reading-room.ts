// The door to reading/: what reads pictures and shows it is loaded with the first picture, as few visits have one.
import { signal } from "@preact/signals";

export type Room = typeof import("./reading/room");

/** Undefined until something asked for it. */
export const room = signal<Room | undefined>(undefined);

/** Where its large files are kept (reading/files.ts, sw.ts). */
export const READING_CACHE = "smidgen-reading";

let entering: Promise<Room> | undefined;

export function enterRoom(): Promise<Room> {
  entering ??= import("./reading/room").then(async (it) => {
    await it.addReadingWords();
    return (room.value = it);
  });
  return entering.catch((error: unknown) => {
    entering = undefined;
    throw { code: "reading_unreachable", message: String(error) };
  });
}

export const isPicture = (file: File) =>
  file.type.startsWith("image/") && file.type !== "image/svg+xml";

const cached = async () =>
  "caches" in globalThis && (await caches.has(READING_CACHE));

/** Loads it where there is something of it to show. */
export async function enterIfKept(): Promise<void> {
  if (await cached()) await enterRoom();
}

export async function forgetReading(): Promise<void> {
  room.peek()?.forgetPictures();
  if (await cached()) await caches.delete(READING_CACHE);
  await room.peek()?.lookForFiles();
}
