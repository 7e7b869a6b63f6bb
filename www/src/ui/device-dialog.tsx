// This device: what the page spares and why, how to install it, and everything it keeps, to be deleted in one place.
import { signal, useSignal } from "@preact/signals";
import { careful, saving, setCareful } from "../care";
import * as desk from "../desk";
import { documents } from "../documents/documents";
import { forgetEverything } from "../forget";
import { bytes, number, t } from "../i18n";
import { reload, stored } from "../model";
import { install, installed, isApple } from "../shell";
import { ConfirmButton } from "./confirm-button";
import { Dialog } from "./dialog";

export const deviceDialog = signal(false);

function Installing() {
  if (installed()) return null;
  return (
    <section>
      <h3>{t("shelf.install")}</h3>
      <p class="hint">
        {t(isApple() ? "device.installApple" : "device.installWhy")}
      </p>
      {install.value && (
        <button type="button" class="button" onClick={install.value}>
          {t("shelf.install")}
        </button>
      )}
    </section>
  );
}

function Care() {
  const why = saving.value;
  return (
    <section>
      <h3>{t("device.care")}</h3>
      <p class="hint">{t(why ? `care.${why}` : "device.careNothing")}</p>
      <label class="check">
        <input
          type="checkbox"
          checked={careful.value}
          onChange={(event) => {
            setCareful(event.currentTarget.checked);
            void reload();
          }}
        />
        {t("device.careful")}
      </label>
      <p class="hint">{t("device.carefulHint")}</p>
    </section>
  );
}

function Everything() {
  const gone = useSignal(false);
  const size = stored.value.reduce((sum, one) => sum + one.storedBytes, 0);
  return (
    <section>
      <h3>{t("device.kept")}</h3>
      <dl class="facts">
        <div>
          <dt>{t("device.models")}</dt>
          <dd>{`${number(stored.value.length)} · ${bytes(size)}`}</dd>
        </div>
        <div>
          <dt>{t("shelf.title")}</dt>
          <dd>{number(desk.conversations.value.length)}</dd>
        </div>
        <div>
          <dt>{t("documents.title")}</dt>
          <dd>{number(documents.value.length)}</dd>
        </div>
      </dl>
      <p class="hint">{t("device.private")}</p>
      <ConfirmButton
        label={t("device.forget")}
        onConfirm={() =>
          void forgetEverything().then(() => (gone.value = true))
        }
      />
      {gone.value && (
        <p class="hint" role="status">
          {t("device.forgotten")}
        </p>
      )}
    </section>
  );
}

export function DeviceDialog() {
  return (
    <Dialog open={deviceDialog} title={t("device.title")}>
      <Installing />
      <Care />
      <Everything />
    </Dialog>
  );
}
