// Short lines above the composer: a new version waits, storage failed, the device is spared, the page went down before.
import { signal } from "@preact/signals";
import { recovered, saving, setCareful } from "../care";
import { storageFailed } from "../desk";
import { t } from "../i18n";
import { model, reload } from "../model";
import { replying } from "../reply";
import { update } from "../shell";

function UpdateNotice() {
  // Restarting would cut a reply or a download: ask afterwards.
  const busy = replying.value || model.value.phase === "loading";
  if (!update.value || busy) return null;
  return (
    <div class="notice" role="status">
      <span>{t("update.ready")}</span>
      <button type="button" class="button primary" onClick={update.value}>
        {t("update.now")}
      </button>
      <button
        type="button"
        class="button"
        onClick={() => (update.value = undefined)}
      >
        {t("update.later")}
      </button>
    </div>
  );
}

/** The last reason that a person has read. */
const read = signal<string | undefined>(undefined);

function SavingNotice() {
  const why = saving.value;
  if (!why || why === read.value) return null;
  return (
    <div class="notice" role="status">
      <span>{t(`care.${why}`)}</span>
      <button type="button" class="button" onClick={() => (read.value = why)}>
        {t("error.dismiss")}
      </button>
    </div>
  );
}

function RecoveredNotice() {
  if (!recovered.value) return null;
  return (
    <div class="notice" role="status">
      <span>{t("care.recovered")}</span>
      <button
        type="button"
        class="button"
        onClick={() => {
          setCareful(false);
          void reload();
        }}
      >
        {t("care.normal")}
      </button>
      <button
        type="button"
        class="button"
        onClick={() => (recovered.value = false)}
      >
        {t("error.dismiss")}
      </button>
    </div>
  );
}

export function Notices() {
  return (
    <div class="notices">
      <UpdateNotice />
      <RecoveredNotice />
      <SavingNotice />
      {storageFailed.value && (
        <p class="notice" role="alert">
          {t("error.storage")}
        </p>
      )}
    </div>
  );
}
