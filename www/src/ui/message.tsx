// One message: who said it, what, what can be done with it, and for a reply its speed or why it ended.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Message, Speed } from "../conversation";
import { number, seconds, t } from "../i18n";
import { llm } from "../model";
import { edit, regenerate, replying, written } from "../reply";
import { focusComposer } from "./composer";
import { PencilIcon, RetryIcon } from "./icons";
import { ProblemText } from "./problem-text";
import { CopyButton, ReplyText } from "./reply-text";

function SpeedLine({ speed }: { speed: Speed }) {
  return (
    <>
      <span>
        {t("messages.speed", { speed: number(speed.tokensPerSecond, 1) })}
      </span>
      <span>{t("messages.first", { time: seconds(speed.firstTokenMs) })}</span>
      <span>{t("messages.tokens", { count: speed.tokens })}</span>
    </>
  );
}

/** The reply being written; the only part that a token redraws. */
function Writing() {
  const stage = replying.value?.stage;
  if (written.value) return <ReplyText text={written.value} />;
  return (
    <p class="pending">
      <span class="dots" aria-hidden="true" />
      {t(stage === "waiting" ? "messages.waiting" : "messages.reading")}
    </p>
  );
}

function Editor({ message, close }: { message: Message; close: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = field.current!;
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const submit = () => {
    const text = field.current!.value;
    if (text.trim() === "") return;
    close();
    focusComposer();
    void edit(message, text);
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
      }}
    >
      <textarea
        ref={field}
        class="field-area"
        rows={4}
        dir="auto"
        defaultValue={message.content}
        aria-label={t("messages.editLabel")}
      />
      <p class="hint">{t("messages.editHint")}</p>
      <div class="row">
        <button class="button primary">{t("composer.send")}</button>
        <button type="button" class="button" onClick={close}>
          {t("load.cancel")}
        </button>
      </div>
    </form>
  );
}

function ReplyFoot({ message, last }: { message: Message; last: boolean }) {
  const { outcome, problem, speed } = message;
  const ended =
    outcome === "stopped" || outcome === "length" || outcome === "interrupted"
      ? t(`messages.${outcome}`)
      : outcome === "writing"
        ? t("messages.elsewhere")
        : "";
  return (
    <div class="foot">
      {message.content && (
        <CopyButton text={message.content} label={t("messages.copy")} />
      )}
      {last && !problem && (
        <button
          type="button"
          class="small-button"
          aria-label={t("messages.regenerate")}
          title={t("messages.regenerate")}
          disabled={replying.value !== undefined || !llm.value}
          onClick={() => void regenerate(message)}
        >
          <RetryIcon />
        </button>
      )}
      {(ended || speed) && (
        <p class="meta">
          {ended && <span>{ended}</span>}
          {speed && <SpeedLine speed={speed} />}
        </p>
      )}
    </div>
  );
}

export function MessageItem(props: { message: Message; last: boolean }) {
  const { message, last } = props;
  const editing = useSignal(false);
  const mine = message.role === "user";
  const writing = replying.value?.message.id === message.id;
  const close = () => (editing.value = false);
  return (
    <li class={mine && !editing.value ? "message mine" : "message"}>
      <article aria-busy={writing}>
        <h2 class="visually-hidden">
          {t(mine ? "messages.you" : "messages.model")}
        </h2>
        {editing.value ? (
          <Editor message={message} close={close} />
        ) : writing ? (
          <Writing />
        ) : mine ? (
          <div class="bubble text" dir="auto">
            {message.content}
          </div>
        ) : (
          message.content && <ReplyText text={message.content} />
        )}
        {message.problem && <ProblemText problem={message.problem} />}
        {message.problem && (
          <button
            type="button"
            class="button"
            disabled={replying.value !== undefined}
            onClick={() => void regenerate(message)}
          >
            {t("messages.retry")}
          </button>
        )}
        {!mine && !writing && <ReplyFoot message={message} last={last} />}
        {mine && !editing.value && (
          <div class="foot">
            <CopyButton text={message.content} label={t("messages.copy")} />
            <button
              type="button"
              class="small-button"
              aria-label={t("messages.edit")}
              title={t("messages.edit")}
              disabled={replying.value !== undefined || !llm.value}
              onClick={() => (editing.value = true)}
            >
              <PencilIcon />
            </button>
          </div>
        )}
      </article>
    </li>
  );
}
