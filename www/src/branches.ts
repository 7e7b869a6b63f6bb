// A conversation as a tree: each message follows another, and where several follow the same one, one is chosen.
// What is asked again or written again stands beside what was there before; nothing is lost.
import type { Message } from "./conversation";

/** The parent of a first message. */
export const ROOT = "";

/** Parent → the child that is shown. */
export type Choices = Readonly<Record<string, string>>;

/** Messages from before there were branches follow each other. `list` is in the order of time. */
export function linked(list: readonly Message[]): Message[] {
  return list.map((message, at) =>
    message.parent === undefined
      ? { ...message, parent: at === 0 ? ROOT : list[at - 1]!.id }
      : message,
  );
}

export const siblings = (list: readonly Message[], parent: string) =>
  list.filter((message) => message.parent === parent);

/** The messages on the screen, from the first to the end of the chosen branch: the newest where none was chosen. */
export function path(list: readonly Message[], choices: Choices): Message[] {
  const children = new Map<string, Message[]>();
  for (const message of list) {
    const parent = message.parent ?? ROOT;
    const known = children.get(parent);
    if (known) known.push(message);
    else children.set(parent, [message]);
  }
  const shown: Message[] = [];
  let at = ROOT;
  // Each step takes one message away, so that what came from a file can hold no endless loop.
  while (shown.length < list.length) {
    const next = children.get(at);
    if (!next) break;
    const chosen =
      next.find(({ id }) => id === choices[at]) ?? next[next.length - 1]!;
    shown.push(chosen);
    at = chosen.id;
  }
  return shown;
}
