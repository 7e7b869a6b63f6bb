// One model on this device: its size and last use; load, keep for good, save a copy, delete.
import { useSignal } from "@preact/signals";
import type { StoredModel } from "smidgen";
import { bytes, day, t } from "../i18n";
import {
  deleteStored,
  fromStored,
  isEncoder,
  load,
  model,
  pinStored,
  resumed,
  saveStored,
} from "../model";
import { type Problem, problemFrom } from "../problem";
import { PinIcon, SaveIcon, TrashIcon } from "./icons";
import { ProblemText } from "./problem-text";

/** What a person does here may fail; then that is said where they did it. */
function useAttempt() {
  const problem = useSignal<Problem | undefined>(undefined);
  const busy = useSignal(false);
  const attempt = async (work: () => Promise<void>) => {
    problem.value = undefined;
    busy.value = true;
    await work().catch((error: unknown) => {
      problem.value = problemFrom(error);
    });
    busy.value = false;
  };
  return { problem, busy, attempt };
}

function Facts({ entry, inUse }: { entry: StoredModel; inUse: boolean }) {
  const size =
    !entry.complete && entry.totalBytes
      ? t("load.progress", {
          loaded: bytes(entry.storedBytes),
          total: bytes(entry.totalBytes),
        })
      : bytes(entry.storedBytes);
  const facts = [
    size,
    inUse
      ? t("storage.inUse")
      : t("storage.lastUse", { date: day(entry.lastUsedAt) }),
    ...(isEncoder(entry) ? [t("storage.encoder")] : []),
    ...(entry.complete ? [] : [t("storage.partial")]),
    ...(entry.pinned ? [t("storage.pinned")] : []),
  ];
  return <span class="hint numbers">{facts.join(" · ")}</span>;
}

export function StoredModelItem({ entry }: { entry: StoredModel }) {
  const sure = useSignal(false);
  const { problem, busy, attempt } = useAttempt();
  const state = model.value;
  const inUse = state.phase === "ready" && state.llm.info.id === entry.id;
  const source = entry.complete ? fromStored(entry) : resumed(entry);
  const { name, pinned } = entry;
  const pin = t(pinned ? "storage.unpin" : "storage.pin", { name });
  const save = t("storage.save", { name });
  const remove = t("storage.delete", { name });
  return (
    <li class="stored">
      <span class="wrap stored-name">
        {name}
        <Facts entry={entry} inUse={inUse} />
      </span>
      <span class="stored-actions">
        {source && !inUse && !isEncoder(entry) && (
          <button
            type="button"
            class="button"
            onClick={() => void load(source)}
          >
            {t(entry.complete ? "source.load" : "storage.resume")}
            <span class="visually-hidden">: {name}</span>
          </button>
        )}
        {entry.complete && (
          <>
            <button
              type="button"
              class={pinned ? "icon-button primary" : "icon-button"}
              aria-pressed={pinned}
              aria-label={pin}
              title={pin}
              onClick={() => void attempt(() => pinStored(entry, !pinned))}
            >
              <PinIcon />
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label={save}
              title={save}
              disabled={busy.value}
              onClick={() => void attempt(() => saveStored(entry))}
            >
              <SaveIcon />
            </button>
          </>
        )}
        <button
          type="button"
          class={sure.value ? "button danger" : "icon-button danger"}
          aria-label={sure.value ? undefined : remove}
          title={remove}
          onClick={() => {
            if (sure.value) void attempt(() => deleteStored(entry));
            sure.value = !sure.value;
          }}
        >
          {sure.value ? t("storage.sure") : <TrashIcon />}
        </button>
      </span>
      {problem.value && <ProblemText problem={problem.value} />}
    </li>
  );
}
