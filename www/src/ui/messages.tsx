// The conversation as a list that follows the reply while the reader is at its end, and stays put otherwise.
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import * as desk from "../desk";
import { t } from "../i18n";
import { llm, model } from "../model";
import { send } from "../reply";
import { shellKept } from "../shell";
import { DownIcon } from "./icons";
import { MessageItem } from "./message";
import { ModelPanel } from "./model-panel";
import { NotKept } from "./not-kept";

/** Pixels from the end within which the list still follows. */
const NEAR = 48;

const IDEAS = ["messages.idea1", "messages.idea2", "messages.idea3"] as const;

/** For whoever does not know yet what to ask: a press asks it. */
function Ideas() {
  return (
    <ul class="ideas" role="list" aria-label={t("messages.ideas")}>
      {IDEAS.map((idea) => (
        <li key={idea}>
          <button
            type="button"
            class="button"
            onClick={() => void send(t(idea), [])}
          >
            {t(idea)}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Welcome() {
  const ready = llm.value;
  if (!ready)
    return (
      <div class="welcome">
        <h2>{t("welcome.title")}</h2>
        <p class="hint">{t("welcome.text")}</p>
      </div>
    );
  return (
    <div class="welcome">
      <h2>{t("messages.empty")}</h2>
      <p class="hint">{t("messages.emptyHint")}</p>
      {!ready.info.cached ? (
        <NotKept llm={ready} />
      ) : (
        shellKept.value && <p class="hint">{t("welcome.offline")}</p>
      )}
      <Ideas />
    </div>
  );
}

export function Messages() {
  const scroller = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const lastTop = useRef(0);
  const away = useSignal(false);
  const list = desk.messages.value;
  const openId = desk.openId.value;
  const { phase } = model.value;
  const empty = list.length === 0;

  const toLatest = () => {
    following.current = true;
    away.value = false;
    scroller.current!.scrollTop = scroller.current!.scrollHeight;
  };
  useLayoutEffect(() => {
    if (empty) scroller.current!.scrollTop = 0;
    else toLatest();
    const observer = new ResizeObserver(() => {
      if (following.current && !empty) toLatest();
    });
    observer.observe(column.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [openId, empty]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current!;
    const near = scrollHeight - scrollTop - clientHeight < NEAR;
    // Text that grew since the last scroll also leaves the end behind; only a reader scrolls up.
    if (near) following.current = true;
    else if (scrollTop < lastTop.current) following.current = false;
    lastTop.current = scrollTop;
    away.value = !following.current;
  };

  return (
    <div class="stage">
      <div
        class="scroller"
        ref={scroller}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label={t("messages.label")}
      >
        <div class="column" ref={column} data-empty={empty}>
          {empty && <Welcome />}
          {!empty && (
            <ol class="messages" role="list">
              {list.map((message, index) => (
                <MessageItem
                  key={message.id}
                  message={message}
                  last={index === list.length - 1}
                />
              ))}
            </ol>
          )}
          {phase !== "ready" && <ModelPanel />}
        </div>
      </div>
      {away.value && !empty && (
        <button
          type="button"
          class="icon-button latest"
          aria-label={t("messages.latest")}
          title={t("messages.latest")}
          onClick={toLatest}
        >
          <DownIcon />
        </button>
      )}
    </div>
  );
}
