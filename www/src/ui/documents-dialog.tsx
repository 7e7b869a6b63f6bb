// The documents of this device: the search model they need, adding notes and files, and deleting one or all.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import * as desk from "../desk";
import type { Document } from "../documents/cabinet";
import {
  addFiles,
  adding,
  addNote,
  addProblem,
  documents,
  removeAllDocuments,
  removeDocument,
  stopAdding,
} from "../documents/documents";
import { encoder, fetchEncoder, findEncoder } from "../documents/encoder";
import { bytes, day, number, percent, t } from "../i18n";
import { room } from "../reading-room";
import { ConfirmButton } from "./confirm-button";
import { Dialog } from "./dialog";
import { TrashIcon } from "./icons";
import { ProblemText } from "./problem-text";

export const documentsDialog = signal(false);

/** The one thing missing before the first document. */
function SearchModel() {
  const state = encoder.value;
  switch (state.phase) {
    case "unknown":
    case "here":
      return null;
    case "missing":
      return (
        <div class="panel">
          <p class="hint">
            {t("documents.modelWhy", { size: bytes(state.bytes) })}
          </p>
          <button
            type="button"
            class="button primary"
            onClick={() => void fetchEncoder()}
          >
            {t("documents.modelGet", { size: bytes(state.bytes) })}
          </button>
          {state.host && (
            <p class="hint">{t("welcome.from", { place: state.host })}</p>
          )}
        </div>
      );
    case "loading": {
      const { loadedBytes = 0, totalBytes } = state.progress ?? {};
      return (
        <div class="panel" role="status">
          <p class="hint">{t("documents.modelLoading")}</p>
          <progress
            aria-label={t("documents.modelLoading")}
            max={1}
            {...(totalBytes ? { value: loadedBytes / totalBytes } : {})}
          />
        </div>
      );
    }
    case "failed":
      return (
        <div class="panel">
          <ProblemText problem={state.problem} />
          <button
            type="button"
            class="button"
            onClick={() => {
              encoder.value = { phase: "unknown" };
              void findEncoder();
            }}
          >
            {t("error.retry")}
          </button>
        </div>
      );
  }
}

function Note({ close }: { close: () => void }) {
  const title = useId();
  const text = useId();
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        const fields = new FormData(event.currentTarget);
        const body = String(fields.get("text") ?? "");
        if (body.trim() === "") return;
        const name =
          String(fields.get("title") ?? "").trim() ||
          body.trim().split("\n")[0]!.slice(0, 60);
        close();
        void addNote(name, body);
      }}
    >
      <label for={title}>{t("documents.noteTitle")}</label>
      <input id={title} name="title" type="text" dir="auto" maxLength={120} />
      <label for={text}>{t("documents.noteText")}</label>
      <textarea id={text} name="text" class="field-area" rows={5} dir="auto" />
      <div class="row">
        <button class="button primary">{t("documents.noteKeep")}</button>
        <button type="button" class="button" onClick={close}>
          {t("load.cancel")}
        </button>
      </div>
    </form>
  );
}

function Add() {
  const picker = useRef<HTMLInputElement>(null);
  const writing = useSignal(false);
  const now = adding.value;
  const { ReadingAsk, stageText } = room.value ?? {};
  const refused = addProblem.value;
  return (
    <>
      {now ? (
        <div class="panel">
          {ReadingAsk && <ReadingAsk />}
          <p class="hint wrap" role={now.stage ? undefined : "status"}>
            {t("documents.reading", { name: now.name })}{" "}
            {(now.stage && stageText?.(now.stage)) ?? percent(now.done)}
          </p>
          <progress
            aria-label={t("documents.reading", { name: now.name })}
            max={1}
            value={now.done}
          />
          <button type="button" class="button" onClick={stopAdding}>
            {t("load.cancel")}
          </button>
        </div>
      ) : writing.value ? (
        <Note close={() => (writing.value = false)} />
      ) : (
        <div class="row">
          <button
            type="button"
            class="button primary fill"
            onClick={() => picker.current?.click()}
          >
            {t("documents.addFiles")}
          </button>
          <button
            type="button"
            class="button fill"
            onClick={() => (writing.value = true)}
          >
            {t("documents.addNote")}
          </button>
        </div>
      )}
      {refused && <ProblemText problem={refused.problem} />}
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        accept=".txt,.md,.markdown,.csv,.pdf,text/*,application/pdf,image/*"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          void addFiles(files);
        }}
      />
    </>
  );
}

function facts({ kind, pages, characters, at }: Document): string {
  const size =
    kind === "pdf"
      ? t("documents.pages", { count: pages })
      : t("documents.characters", { characters: number(characters) });
  return `${size} · ${day(at)}`;
}

function Item({ document }: { document: Document }) {
  const { id, name } = document;
  return (
    <li class="stored">
      <span class="wrap stored-name" dir="auto">
        {name}
        <span class="hint numbers">{facts(document)}</span>
      </span>
      <ConfirmButton
        label={t("storage.delete", { name })}
        icon={<TrashIcon />}
        onConfirm={() => void removeDocument(id)}
      />
    </li>
  );
}

function Contents() {
  useEffect(() => void findEncoder(), []);
  const list = documents.value;
  const usable = encoder.value.phase === "here" || adding.value;
  const { id, fromDocuments = false } = desk.open.value;
  return (
    <>
      <p class="hint">{t("documents.hint")}</p>
      <SearchModel />
      {usable && <Add />}
      {list.length > 0 && (
        <>
          <label class="check">
            <input
              type="checkbox"
              checked={fromDocuments}
              onChange={(event) =>
                desk.changeConversation(id, {
                  fromDocuments: event.currentTarget.checked,
                })
              }
            />
            {t("documents.use")}
          </label>
          <ul class="models" role="list" aria-label={t("documents.title")}>
            {list.map((document) => (
              <Item key={document.id} document={document} />
            ))}
          </ul>
          <ConfirmButton
            label={t("documents.removeAll")}
            onConfirm={() => void removeAllDocuments()}
          />
        </>
      )}
      {list.length === 0 && usable && !adding.value && (
        <p class="hint">{t("documents.none")}</p>
      )}
    </>
  );
}

export function DocumentsDialog() {
  return (
    <Dialog open={documentsDialog} title={t("documents.title")}>
      <Contents />
    </Dialog>
  );
}
