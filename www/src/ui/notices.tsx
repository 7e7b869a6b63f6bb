// Short lines above the composer: a new version waits, storage failed.
import { storageFailed } from "../desk";
import { t } from "../i18n";
import { model } from "../model";
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

export function Notices() {
  return (
    <div class="notices">
      <UpdateNotice />
      {storageFailed.value && (
        <p class="notice" role="alert">
          {t("error.storage")}
        </p>
      )}
    </div>
  );
}
