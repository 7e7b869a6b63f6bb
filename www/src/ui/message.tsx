// One message: who said it, what, what can be done with it, and for a reply its speed or why it ended.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Message, Speed } from "../conversation";
import { bytes, number, seconds, t } from "../i18n";
import { llm } from "../model";
import * as desk from "../desk";
import { edit, goOn, regenerate, replying, written } from "../reply";
import { focusComposer } from "./composer";
import {
  BackIcon,
  ForwardIcon,
  GoOnIcon,
  PencilIcon,
  RetryIcon,
} from "./icons";
import { ProblemText } from "./problem-text";
import { CopyButton, ReplyText } from "./reply-text";
import { Sources } from "./sources";

/** The speed at a glance, the rest on demand. */
function Figures({ message, speed }: { message: Message; speed: Speed }) {
  const { promptTokens, contextLength, threads } = speed;
  const memory = llm.value?.info.plan.totalBytes;
  return (
    <details class="figures">
      <summary>
        {t("messages.speed", { speed: number(speed.tokensPerSecond, 1) })}
      </summary>
      <span>{t("messages.first", { time: seconds(speed.firstTokenMs) })}</span>
      <span>{t("messages.tokens", { count: speed.tokens })}</span>
      {promptTokens !== undefined && contextLength !== undefined && (
        <span>
          {t("messages.context", {
            used: number(promptTokens + speed.tokens),
            of: number(contextLength),
          })}
        </span>
      )}
      {threads !== undefined && (
        <span>{t("messages.threads", { count: threads })}</span>
      )}
      {memory !== undefined && (
        <span>{t("messages.memory", { size: bytes(memory) })}</span>
      )}
      {message.leftOut !== undefined && (
        <span>{t("messages.leftOut", { count: message.leftOut })}</span>
      )}
    </details>
  );
}

/** ‹ 2/3 ›, where something was asked or written more than once. */
function Branches({ message }: { message: Message }) {
  const all = desk.alternatives(message);
  const at = all.findIndex(({ id }) => id === message.id);
  if (all.length < 2 || at < 0) return null;
  const step = (to: number, label: string, icon: JSX.Element) => (
    <button
      type="button"
      class="small-button"
      aria-label={label}
      title={label}
      disabled={replying.value !== undefined || !all[to]}
      onClick={() => desk.show(all[to]!)}
    >
      {icon}
    </button>
  );
  return (
    <span class="branches" role="group" aria-label={t("messages.branches")}>
      {step(at - 1, t("messages.branchBefore"), <BackIcon />)}
      <span class="numbers">{`${number(at + 1)}/${number(all.length)}`}</span>
      {step(at + 1, t("messages.branchAfter"), <ForwardIcon />)}
    </span>
  );
}

function Files({ message }: { message: Message }) {
  if (!message.attachments) return null;
  return (
    <ul class="attached" role="list" aria-label={t("composer.attached")}>
      {message.attachments.map(({ name, text }, at) => (
        <li key={at}>
          <details>
            <summary class="attached-name" dir="auto">
              {name}
            </summary>
            <div class="attached-text text" dir="auto" tabIndex={0}>
              {text.slice(0, SHOWN_CHARACTERS)}
            </div>
          </details>
        </li>
      ))}
    </ul>
  );
}

/** Of an attached text on the screen. */
const SHOWN_CHARACTERS = 5000;

/** The reply being written; the only part that a token redraws. */
function Writing() {
  const stage = replying.value?.stage;
  if (written.value) return <ReplyText text={written.value} finished={false} />;
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

const CAN_GO_ON = ["stopped", "length", "interrupted"];

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
      <Branches message={message} />
      {last && message.content && CAN_GO_ON.includes(outcome ?? "") && (
        <button
          type="button"
          class="small-button"
          aria-label={t("messages.goOn")}
          title={t("messages.goOn")}
          disabled={replying.value !== undefined || !llm.value}
          onClick={() => void goOn(message)}
        >
          <GoOnIcon />
        </button>
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
        <div class="meta">
          {ended && <span>{ended}</span>}
          {speed && <Figures message={message} speed={speed} />}
        </div>
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
          <>
            <Files message={message} />
            {message.content && (
              <div class="bubble text" dir="auto">
                {message.content}
              </div>
            )}
          </>
        ) : (
          message.content && <ReplyText text={message.content} />
        )}
        {message.sources && <Sources sources={message.sources} />}
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
            <Branches message={message} />
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
