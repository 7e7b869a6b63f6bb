// One conversation's own affairs: its name, pin, export and end.
import { signal, useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { download, fileName, toJson, toMarkdown } from "../archive";
import type { Conversation } from "../conversation";
import * as desk from "../desk";
import { t } from "../i18n";
import { Dialog } from "./dialog";
import { PinIcon, TrashIcon } from "./icons";

const isOpen = signal(false);
const editedId = signal("");

export function editConversation(id: string): void {
  editedId.value = id;
  isOpen.value = true;
}

async function save(id: string, ending: "md" | "json"): Promise<void> {
  const archived = await desk.archive(id);
  if (!archived) return;
  const name = fileName(archived.conversation.title, ending);
  if (ending === "json") download(name, "application/json", toJson([archived]));
  else
    download(
      name,
      "text/markdown",
      toMarkdown(archived, {
        user: t("messages.you"),
        assistant: t("messages.model"),
        system: t("settings.system"),
      }),
    );
}

function Affairs({ conversation }: { conversation: Conversation }) {
  const { id, title, pinned } = conversation;
  const field = useId();
  const sure = useSignal(false);
  const close = () => (isOpen.value = false);
  return (
    <>
      <form
        class="source-url"
        onSubmit={(event) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget).get("title");
          if (typeof given === "string" && given.trim())
            desk.changeConversation(id, {
              title: given.trim(),
              renamed: true,
            });
          close();
        }}
      >
        <label for={field}>{t("shelf.name")}</label>
        <div class="row">
          <input
            id={field}
            name="title"
            type="text"
            dir="auto"
            maxLength={200}
            defaultValue={title}
          />
          <button class="button">{t("shelf.rename")}</button>
        </div>
      </form>
      <button
        type="button"
        class="button"
        aria-pressed={pinned}
        onClick={() => desk.changeConversation(id, { pinned: !pinned })}
      >
        <PinIcon />
        {t(pinned ? "shelf.unpin" : "shelf.pin")}
      </button>
      <div class="row">
        <button
          type="button"
          class="button fill"
          onClick={() => void save(id, "md")}
        >
          {t("shelf.exportMarkdown")}
        </button>
        <button
          type="button"
          class="button fill"
          onClick={() => void save(id, "json")}
        >
          {t("shelf.exportJson")}
        </button>
      </div>
      <button
        type="button"
        class="button danger"
        onClick={() => {
          if (!sure.value) {
            sure.value = true;
            return;
          }
          close();
          void desk.removeConversation(id);
        }}
      >
        <TrashIcon />
        {t(sure.value ? "shelf.deleteSure" : "shelf.delete")}
      </button>
    </>
  );
}

export function ConversationDialog() {
  const conversation = desk.conversations.value.find(
    ({ id }) => id === editedId.value,
  );
  return (
    <Dialog open={isOpen} title={t("shelf.affairs")}>
      {conversation && <Affairs conversation={conversation} />}
    </Dialog>
  );
}
