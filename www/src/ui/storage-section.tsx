// What is kept on this device: models with their sizes, how much room there is, and the way to free it.
import { signal, useSignal } from "@preact/signals";
import type { StorageEstimate, StoredModel } from "smidgen";
import { useEffect } from "preact/hooks";
import { bytes, percent, t } from "../i18n";
import {
  deleteStored,
  engine,
  fromStored,
  load,
  model,
  resumed,
  stored,
} from "../model";
import { TrashIcon } from "./icons";

const estimate = signal<StorageEstimate | undefined>(undefined);

async function measure(): Promise<void> {
  try {
    estimate.value = await (await engine()).models.estimate();
  } catch {
    estimate.value = undefined;
  }
}

function Entry({ entry }: { entry: StoredModel }) {
  const sure = useSignal(false);
  const state = model.value;
  const inUse = state.phase === "ready" && state.llm.info.id === entry.id;
  const source = entry.complete ? fromStored(entry) : resumed(entry);
  const size =
    !entry.complete && entry.totalBytes
      ? t("load.progress", {
          loaded: bytes(entry.storedBytes),
          total: bytes(entry.totalBytes),
        })
      : bytes(entry.storedBytes);
  return (
    <li class="stored">
      <span class="wrap stored-name">
        {entry.name}
        <span class="hint">
          {size}
          {inUse && ` · ${t("storage.inUse")}`}
          {!entry.complete && ` · ${t("storage.partial")}`}
        </span>
      </span>
      {source && !inUse && (
        <button type="button" class="button" onClick={() => void load(source)}>
          {t(entry.complete ? "source.load" : "storage.resume")}
          <span class="visually-hidden">: {entry.name}</span>
        </button>
      )}
      <button
        type="button"
        class={sure.value ? "button danger" : "icon-button danger"}
        aria-label={t("storage.delete", { name: entry.name })}
        title={t("storage.delete", { name: entry.name })}
        onClick={async () => {
          if (!sure.value) {
            sure.value = true;
            return;
          }
          await deleteStored(entry);
          await measure();
        }}
      >
        {sure.value ? t("storage.sure") : <TrashIcon />}
      </button>
    </li>
  );
}

function Room({ room }: { room: StorageEstimate }) {
  const { usageBytes = 0, quotaBytes, modelBytes, persisted } = room;
  if (!quotaBytes) return null;
  // Some browsers count compressed bytes, some count late.
  const used = Math.max(usageBytes, modelBytes);
  return (
    <>
      <progress
        aria-label={t("storage.label")}
        max={1}
        value={used / quotaBytes}
      />
      <p class="hint numbers">
        {t("storage.room", {
          used: bytes(used),
          quota: bytes(quotaBytes),
          percent: percent(used / quotaBytes),
        })}
      </p>
      {persisted ? (
        <p class="hint">{t("storage.persisted")}</p>
      ) : (
        <>
          <p class="hint">{t("storage.evictable")}</p>
          <button
            type="button"
            class="button"
            onClick={async () => {
              await (await engine()).models.persist();
              await measure();
            }}
          >
            {t("storage.persist")}
          </button>
        </>
      )}
    </>
  );
}

export function StorageSection() {
  useEffect(() => void measure(), [stored.value.length]);
  return (
    <section>
      <h3>{t("source.onDevice")}</h3>
      {stored.value.length > 0 ? (
        <ul class="models" role="list">
          {stored.value.map((entry) => (
            <Entry key={entry.id} entry={entry} />
          ))}
        </ul>
      ) : (
        <p class="hint">{t("storage.none")}</p>
      )}
      {estimate.value && <Room room={estimate.value} />}
    </section>
  );
}
