// The list of conversations: search, open, new, import and export. A column where there is room, else a drawer.
import { effect, signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import {
  type Archived,
  download,
  fromJson,
  LARGEST_BYTES,
  NotAnArchive,
  toJson,
} from "../archive";
import type { Conversation } from "../conversation";
import * as desk from "../desk";
import { choose, chosen, type Language, languages, t } from "../i18n";
import * as library from "../library";
import { type Problem, problemFrom } from "../problem";
import { focusComposer } from "./composer";
import { editConversation } from "./conversation-dialog";
import { Dialog } from "./dialog";
import { deviceDialog } from "./device-dialog";
import { documentsDialog } from "./documents-dialog";
import { BookIcon, DeviceIcon, MoreIcon, PinIcon, PlusIcon } from "./icons";
import { ProblemText } from "./problem-text";

export const drawer = signal(false);
const WIDE = matchMedia("(min-width: 60rem)");
const wide = signal(WIDE.matches);
WIDE.addEventListener("change", () => {
  wide.value = WIDE.matches;
  drawer.value = false;
});

const SEARCH_AFTER_MS = 150;

/** The conversations that match the words in the search field, undefined while there are none. */
function useSearch(words: string): Set<string> | undefined {
  const found = useSignal<Set<string> | undefined>(undefined);
  useEffect(() => {
    const wanted = words.trim().toLocaleLowerCase();
    if (wanted === "") {
      found.value = undefined;
      return;
    }
    let current = true;
    const timer = setTimeout(async () => {
      const saying = await library
        .conversationsSaying(wanted)
        .catch(() => new Set<string>());
      for (const { id, title } of desk.conversations.peek())
        if (title.toLocaleLowerCase().includes(wanted)) saying.add(id);
      if (current) found.value = saying;
    }, SEARCH_AFTER_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [words, desk.conversations.value.length]);
  return found.value;
}

function Entry({ conversation }: { conversation: Conversation }) {
  const { id, title, pinned } = conversation;
  const isOpen = desk.openId.value === id;
  const name = title || t("messages.new");
  return (
    <li class="entry" data-open={isOpen}>
      <button
        type="button"
        class="entry-open"
        aria-current={isOpen ? "true" : undefined}
        onClick={() => {
          drawer.value = false;
          void desk.openConversation(id);
        }}
      >
        {pinned && (
          <>
            <PinIcon />
            <span class="visually-hidden">{t("shelf.pinned")}: </span>
          </>
        )}
        <span class="entry-title" dir="auto">
          {name}
        </span>
      </button>
      <button
        type="button"
        class="small-button"
        aria-label={t("shelf.more", { title: name })}
        title={t("shelf.more", { title: name })}
        aria-haspopup="dialog"
        onClick={() => editConversation(id)}
      >
        <MoreIcon />
      </button>
    </li>
  );
}

const today = () => new Date().toISOString().slice(0, 10);

async function exportAll(): Promise<void> {
  const all: Archived[] = [];
  for (const { id } of desk.shelf.peek()) {
    const archived = await desk.archive(id);
    if (archived) all.push(archived);
  }
  download(`smidgen-${today()}.json`, "application/json", toJson(all));
}

function Files() {
  const picker = useRef<HTMLInputElement>(null);
  const problem = useSignal<Problem | undefined>(undefined);
  const read = async (file: File) => {
    problem.value = undefined;
    try {
      if (file.size > LARGEST_BYTES)
        throw new NotAnArchive(`the file has ${file.size} bytes`);
      const archived = fromJson(await file.text());
      await desk.addArchived(archived);
      const first = archived[0];
      if (first) await desk.openConversation(first.conversation.id);
    } catch (error) {
      problem.value = problemFrom(error);
    }
  };
  return (
    <div class="shelf-files">
      {problem.value && <ProblemText problem={problem.value} />}
      <div class="row">
        <button
          type="button"
          class="button"
          onClick={() => picker.current?.click()}
        >
          {t("shelf.import")}
        </button>
        <button
          type="button"
          class="button"
          disabled={desk.conversations.value.length === 0}
          onClick={() => void exportAll()}
        >
          {t("shelf.exportAll")}
        </button>
      </div>
      <input
        ref={picker}
        type="file"
        accept=".json,application/json"
        hidden
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void read(file);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}

function LanguageChoice() {
  return (
    <select
      aria-label={t("shelf.language")}
      value={chosen.value ?? ""}
      onChange={(event) => {
        const { value } = event.currentTarget;
        void choose(value in languages ? (value as Language) : undefined);
      }}
    >
      <option value="">{`${t("shelf.language")}: ${t("shelf.languageAuto")}`}</option>
      {Object.entries(languages).map(([code, { name }]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}

function Contents() {
  const words = useSignal("");
  const found = useSearch(words.value);
  const list = desk.shelf.value.filter(({ id }) => !found || found.has(id));
  return (
    <>
      <button
        type="button"
        class="button wide-new"
        onClick={() => {
          drawer.value = false;
          desk.startConversation();
          focusComposer();
        }}
      >
        <PlusIcon />
        {t("messages.new")}
      </button>
      {desk.conversations.value.length > 0 && (
        <input
          type="search"
          aria-label={t("shelf.search")}
          placeholder={t("shelf.search")}
          value={words.value}
          onInput={(event) => (words.value = event.currentTarget.value)}
        />
      )}
      {list.length > 0 ? (
        <ul class="entries" role="list">
          {list.map((conversation) => (
            <Entry key={conversation.id} conversation={conversation} />
          ))}
        </ul>
      ) : (
        <p class="hint entries" role="status">
          {t(found ? "shelf.nothing" : "shelf.empty")}
        </p>
      )}
      <div class="row places">
        <button
          type="button"
          class="button fill"
          aria-haspopup="dialog"
          onClick={() => (documentsDialog.value = true)}
        >
          <BookIcon />
          {t("documents.title")}
        </button>
        <button
          type="button"
          class="button fill"
          aria-haspopup="dialog"
          onClick={() => (deviceDialog.value = true)}
        >
          <DeviceIcon />
          {t("device.title")}
        </button>
      </div>
      <Files />
      <LanguageChoice />
    </>
  );
}

export function Shelf() {
  useEffect(
    () =>
      effect(() => {
        // The drawer covers the page: what it opens must be seen.
        void desk.openId.value;
        drawer.value = false;
      }),
    [],
  );
  if (wide.value)
    return (
      <nav class="shelf" aria-label={t("shelf.title")}>
        <Contents />
      </nav>
    );
  return (
    <Dialog open={drawer} title={t("shelf.title")} class="drawer">
      <Contents />
    </Dialog>
  );
}
