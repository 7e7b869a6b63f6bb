// Short lines above the composer: a new version waits, storage failed, the device is spared, the page went down before.
import { signal } from "@preact/signals";
import { recovered, saving, setCareful } from "../care";
import { storageFailed } from "../desk";
import { t } from "../i18n";
import { model, reload } from "../model";
import { replying } from "../reply";
import { update } from "../shell";

interface Choice {
  label: string;
  act: () => void;
}

/** A line and what can be done about it; `first` is what most people want. */
function Notice(props: { text: string; first?: Choice; then: Choice[] }) {
  const { text, first, then } = props;
  return (
    <div class="notice" role="status">
      <span>{text}</span>
      {first && (
        <button type="button" class="button primary" onClick={first.act}>
          {first.label}
        </button>
      )}
      {then.map(({ label, act }) => (
        <button key={label} type="button" class="button" onClick={act}>
          {label}
        </button>
      ))}
    </div>
  );
}

function UpdateNotice() {
  // Restarting would cut a reply or a download: ask afterwards.
  const busy = replying.value || model.value.phase === "loading";
  if (!update.value || busy) return null;
  return (
    <Notice
      text={t("update.ready")}
      first={{ label: t("update.now"), act: update.value }}
      then={[
        { label: t("update.later"), act: () => (update.value = undefined) },
      ]}
    />
  );
}

/** The last reason that a person has read. */
const read = signal<string | undefined>(undefined);

function SavingNotice() {
  const why = saving.value;
  if (!why || why === read.value) return null;
  return (
    <Notice
      text={t(`care.${why}`)}
      then={[{ label: t("error.dismiss"), act: () => (read.value = why) }]}
    />
  );
}

function RecoveredNotice() {
  if (!recovered.value) return null;
  const normal = () => {
    setCareful(false);
    void reload();
  };
  return (
    <Notice
      text={t("care.recovered")}
      then={[
        { label: t("care.normal"), act: normal },
        { label: t("error.dismiss"), act: () => (recovered.value = false) },
      ]}
    />
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
