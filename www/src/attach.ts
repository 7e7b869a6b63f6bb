// Files for the next message: read here, kept with the draft, sent with it. Pictures take longer and are read one by one
// (reading/).
import { signal } from "@preact/signals";
import { MOST_ATTACHED } from "./conversation";
import * as desk from "./desk";
import { textOf } from "./documents/text-of";
import { type Problem, problemFrom } from "./problem";
import { enterRoom, isPicture, room } from "./reading-room";

export const attaching = signal(false);
export const attachProblem = signal<Problem | undefined>(undefined);

const MOST_FILES = 5;

function checkRoom(conversation: string): void {
  const { attached = [] } = desk.conversation(conversation);
  const unread = room.peek()?.unread(conversation) ?? [];
  if (attached.length + unread.length >= MOST_FILES)
    throw {
      code: "attachments_full",
      message: `at most ${MOST_FILES} files go with a message`,
    };
}

export async function attach(files: readonly File[]): Promise<void> {
  if (attaching.peek()) return;
  attaching.value = true;
  attachProblem.value = undefined;
  const { id } = desk.open.peek();
  try {
    for (const file of files) {
      if (isPicture(file)) {
        const { addPicture } = await enterRoom();
        checkRoom(id);
        addPicture(id, file);
        continue;
      }
      const { pages } = await textOf(file);
      const text = pages.join("\n\n").trim().slice(0, MOST_ATTACHED);
      checkRoom(id);
      const { attached = [] } = desk.conversation(id);
      desk.changeConversation(id, {
        attached: [...attached, { name: file.name, text }],
      });
    }
  } catch (error) {
    attachProblem.value = problemFrom(error);
  } finally {
    attaching.value = false;
  }
}

export function detach(at: number): void {
  const { id, attached = [] } = desk.open.peek();
  const { picture } = attached[at] ?? {};
  desk.changeConversation(id, {
    attached: attached.filter((_, index) => index !== at),
  });
  if (picture) room.peek()?.dropPicture(picture);
}
