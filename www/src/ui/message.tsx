// One message: who said it, what, and for a reply its speed or why it ended.
import type { Message, Speed } from "../conversation";
import { number, seconds, t } from "../i18n";
import { regenerate, replying, written } from "../reply";
import { ProblemText } from "./problem-text";

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
  const text = written.value;
  if (text) return <div class="text">{text}</div>;
  return (
    <p class="pending">
      <span class="dots" aria-hidden="true" />
      {t(stage === "waiting" ? "messages.waiting" : "messages.reading")}
    </p>
  );
}

export function MessageItem({ message }: { message: Message }) {
  const mine = message.role === "user";
  const writing = replying.value?.message.id === message.id;
  const { outcome, problem, speed } = message;
  const ended =
    outcome === "stopped" || outcome === "length" || outcome === "interrupted"
      ? t(`messages.${outcome}`)
      : "";
  return (
    <li class={mine ? "message mine" : "message"}>
      <article aria-busy={writing}>
        <h3 class="visually-hidden">
          {t(mine ? "messages.you" : "messages.model")}
        </h3>
        {writing ? (
          <Writing />
        ) : (
          message.content && (
            <div class="text" dir="auto">
              {message.content}
            </div>
          )
        )}
        {problem && <ProblemText problem={problem} />}
        {!mine && !writing && (
          <p class="meta">
            {ended && <span>{ended}</span>}
            {speed && <SpeedLine speed={speed} />}
          </p>
        )}
        {problem && (
          <button
            type="button"
            class="button"
            disabled={replying.value !== undefined}
            onClick={() => void regenerate(message)}
          >
            {t("messages.retry")}
          </button>
        )}
      </article>
    </li>
  );
}
