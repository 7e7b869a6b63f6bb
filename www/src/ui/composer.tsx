// Where a message is written: grows with its text, Enter sends where there is a real keyboard, Escape stops a reply.
// Files and the documents of this device go with it.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { attach, attaching, attachProblem, detach } from "../attach";
import * as desk from "../desk";
import { documents } from "../documents/documents";
import { t } from "../i18n";
import { model } from "../model";
import { enterRoom, isPicture, room } from "../reading-room";
import { replying, send, stop } from "../reply";
import { BookIcon, ClipIcon, CloseIcon, SendIcon, StopIcon } from "./icons";
import { ProblemText } from "./problem-text";

export const focusComposer = () => document.getElementById("composer")?.focus();

/** The on-screen keyboard's Enter makes a new line; the button sends. */
const enterSends = () => !matchMedia("(pointer: coarse)").matches;

function Attached() {
  const { id, attached = [] } = desk.open.value;
  const { ReadingAsk, PictureName, UnreadPicture, unread } = room.value ?? {};
  const toRead = unread?.(id) ?? [];
  // From a visit before: its text can be corrected.
  const withPictures = attached.some(({ picture }) => picture);
  useEffect(() => {
    if (withPictures) void enterRoom().catch(() => undefined);
  }, [withPictures]);
  const some = attached.length + toRead.length > 0 || attaching.value;
  return (
    <>
      {ReadingAsk && <ReadingAsk />}
      {attachProblem.value && (
        <div class="attach-problem">
          <ProblemText problem={attachProblem.value} />
          <button
            type="button"
            class="small-button"
            aria-label={t("error.dismiss")}
            onClick={() => (attachProblem.value = undefined)}
          >
            <CloseIcon />
          </button>
        </div>
      )}
      {some && (
        <ul class="attached" role="list" aria-label={t("composer.attached")}>
          {attached.map(({ name, picture }, at) => (
            <li key={picture ?? at}>
              {picture && PictureName ? (
                <PictureName id={picture} name={name} />
              ) : (
                <span class="attached-name" dir="auto">
                  {name}
                </span>
              )}
              <button
                type="button"
                class="small-button"
                aria-label={t("composer.detach", { name })}
                title={t("composer.detach", { name })}
                onClick={() => detach(at)}
              >
                <CloseIcon />
              </button>
            </li>
          ))}
          {UnreadPicture &&
            toRead.map((picture) => (
              <UnreadPicture key={picture.id} picture={picture} />
            ))}
          {attaching.value && <li role="status">{t("composer.attaching")}</li>}
        </ul>
      )}
    </>
  );
}

function Tools() {
  const picker = useRef<HTMLInputElement>(null);
  const { id, fromDocuments = false } = desk.open.value;
  const look = t(fromDocuments ? "composer.documentsOn" : "composer.documents");
  return (
    <>
      <button
        type="button"
        class="icon-button plain"
        aria-label={t("composer.attach")}
        title={t("composer.attach")}
        onClick={() => picker.current?.click()}
      >
        <ClipIcon />
      </button>
      {documents.value.length > 0 && (
        <button
          type="button"
          class="icon-button plain"
          aria-pressed={fromDocuments}
          aria-label={t("composer.documents")}
          title={look}
          onClick={() =>
            desk.changeConversation(id, { fromDocuments: !fromDocuments })
          }
        >
          <BookIcon />
        </button>
      )}
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        accept=".txt,.md,.markdown,.csv,.json,.pdf,text/*,application/pdf,application/json,image/*"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          void attach(files);
        }}
      />
    </>
  );
}

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const { id, draft, attached = [] } = desk.open.value;
  const busy = replying.value !== undefined;
  const { phase } = model.value;
  const usable = phase === "ready" || phase === "loading";
  const reading = room.value?.reading(id) ?? false;
  const says = draft.trim() !== "" || attached.length > 0;
  const sendable = usable && !busy && !attaching.value && !reading && says;

  useLayoutEffect(() => {
    const element = field.current!;
    // `field-sizing: content` does this where it is known.
    if (CSS.supports("field-sizing", "content")) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [draft]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]"))
        stop();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const submit = () => {
    if (!usable && says)
      // What is missing is the model: show the way to it.
      document.querySelector<HTMLElement>(".panel .primary")?.focus();
    if (!sendable) return;
    desk.changeConversation(id, { draft: "", attached: [] });
    room.peek()?.dropPictures(id);
    const files = attached.map(({ name, text }) => ({ name, text }));
    void send(draft, files);
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Attached />
      <div class="composer-box">
        <Tools />
        <textarea
          id="composer"
          ref={field}
          rows={1}
          dir="auto"
          value={draft}
          aria-label={t("composer.label")}
          placeholder={t(
            usable ? "composer.placeholder" : "composer.needModel",
          )}
          enterkeyhint={enterSends() ? "send" : "enter"}
          onInput={(event) =>
            desk.changeConversation(id, { draft: event.currentTarget.value })
          }
          onPaste={(event) => {
            const { files: pasted, types } = event.clipboardData!;
            const files = [...pasted];
            // Some programs add a picture of the text that they copy.
            const drawn =
              types.includes("text/plain") && files.every(isPicture);
            if (files.length === 0 || drawn) return;
            event.preventDefault();
            void attach(files);
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing)
              return;
            if (!enterSends() && !event.ctrlKey && !event.metaKey) return;
            event.preventDefault();
            submit();
          }}
        />
        {busy ? (
          <button
            type="button"
            class="icon-button primary"
            aria-label={t("composer.stop")}
            title={t("composer.stop")}
            onClick={() => {
              stop();
              focusComposer();
            }}
          >
            <StopIcon />
          </button>
        ) : (
          <button
            class="icon-button primary"
            aria-label={t("composer.send")}
            title={t(usable ? "composer.send" : "composer.needModel")}
            aria-disabled={!sendable}
          >
            <SendIcon />
          </button>
        )}
      </div>
    </form>
  );
}
