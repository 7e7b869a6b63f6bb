// Asks before what reads pictures is fetched for the first time: how much it is, where from, what becomes of the picture.
import { bytes, t } from "../i18n";
import { asking } from "./reading";

export function ReadingAsk() {
  const now = asking.value;
  if (!now) return null;
  const size = bytes(now.bytes);
  return (
    <div class="notice ask" role="group" aria-label={t("reading.title")}>
      <span>{t("reading.ask", { size })}</span>
      <button
        type="button"
        class="button primary"
        onClick={() => now.answer(true)}
      >
        {t("reading.get", { size })}
      </button>
      <button type="button" class="button" onClick={() => now.answer(false)}>
        {t("reading.notNow")}
      </button>
    </div>
  );
}
