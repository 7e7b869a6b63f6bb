// What is kept on this device: models with their sizes, how much room there is, and the way to free it.
import { signal } from "@preact/signals";
import type { StorageEstimate } from "smidgen";
import { useEffect } from "preact/hooks";
import { bytes, percent, t } from "../i18n";
import { engine, stored } from "../model";
import { enterIfKept, room as readingRoom } from "../reading-room";
import { ImportForm } from "./import-form";
import { StoredModelItem } from "./stored-model";

const estimate = signal<StorageEstimate | undefined>(undefined);

async function measure(): Promise<void> {
  try {
    estimate.value = await (await engine()).models.estimate();
  } catch {
    estimate.value = undefined;
  }
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
  useEffect(() => void measure(), [stored.value]);
  // Without a connection and without storage there is nothing to list.
  useEffect(() => void enterIfKept().catch(() => undefined), []);
  const { ReadingKept } = readingRoom.value ?? {};
  return (
    <section>
      <h3>{t("source.onDevice")}</h3>
      {stored.value.length > 0 ? (
        <ul class="models" role="list">
          {stored.value.map((entry) => (
            <StoredModelItem key={entry.id} entry={entry} />
          ))}
        </ul>
      ) : (
        <p class="hint">{t("storage.none")}</p>
      )}
      {ReadingKept && <ReadingKept />}
      <ImportForm />
      {estimate.value && <Room room={estimate.value} />}
    </section>
  );
}
