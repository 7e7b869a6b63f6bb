// Where a message is written: grows with its text, Enter sends where there is a real keyboard, Escape stops a reply.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import * as desk from "../desk";
import { t } from "../i18n";
import { model } from "../model";
import { replying, send, stop } from "../reply";
import { SendIcon, StopIcon } from "./icons";

export const focusComposer = () => document.getElementById("composer")?.focus();

/** The on-screen keyboard's Enter makes a new line; the button sends. */
const enterSends = () => !matchMedia("(pointer: coarse)").matches;

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const { id, draft } = desk.open.value;
  const busy = replying.value !== undefined;
  const { phase } = model.value;
  const usable = phase === "ready" || phase === "loading";
  const sendable = usable && !busy && draft.trim() !== "";

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
    if (!usable && draft.trim() !== "")
      // What is missing is the model: show the way to it.
      document.querySelector<HTMLElement>(".panel .primary")?.focus();
    if (!sendable) return;
    desk.changeConversation(id, { draft: "" });
    void send(draft);
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="composer-box">
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
