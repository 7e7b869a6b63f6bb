// The open conversation's system prompt and sampling. An empty field means the engine's default.
import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { type Sampling, SAMPLING_LIMITS } from "../conversation";
import * as desk from "../desk";
import { number, type Phrase, t } from "../i18n";
import { Dialog } from "./dialog";

export const settingsDialog = signal(false);

const FIELDS = Object.keys(SAMPLING_LIMITS) as (keyof Sampling)[];
const HINTS: Partial<Record<keyof Sampling, Phrase>> = {
  temperature: "settings.temperatureHint",
  seed: "settings.seedHint",
};

function NumberField({ field }: { field: keyof Sampling }) {
  const { id, sampling } = desk.open.value;
  const { min, max, step } = SAMPLING_LIMITS[field];
  const input = useId();
  const hint = useId();
  const change = (text: string) => {
    const { [field]: _before, ...rest } = sampling;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value))
      return desk.changeConversation(id, { sampling: rest });
    const inside = Math.min(max, Math.max(min, value));
    const whole = Number.isInteger(step) ? Math.round(inside) : inside;
    desk.changeConversation(id, { sampling: { ...rest, [field]: whole } });
  };
  return (
    <div class="number-field">
      <label for={input}>{t(`settings.${field}`)}</label>
      <input
        id={input}
        type="number"
        inputMode={Number.isInteger(step) ? "numeric" : "decimal"}
        min={min}
        max={max}
        step={step}
        value={sampling[field] ?? ""}
        placeholder={t("settings.default")}
        aria-describedby={hint}
        onChange={(event) => {
          change(event.currentTarget.value);
          // Shows the number as it was taken, also where it equals the one before.
          event.currentTarget.value = String(
            desk.open.peek().sampling[field] ?? "",
          );
        }}
      />
      <p class="hint" id={hint}>
        {HINTS[field]
          ? t(HINTS[field])
          : t("settings.range", { min: number(min), max: number(max) })}
      </p>
    </div>
  );
}

function Fields() {
  const { id, systemPrompt } = desk.open.value;
  const area = useId();
  const hint = useId();
  return (
    <>
      <section>
        <label for={area}>{t("settings.system")}</label>
        <textarea
          id={area}
          class="field-area"
          rows={3}
          dir="auto"
          value={systemPrompt}
          aria-describedby={hint}
          onInput={(event) =>
            desk.changeConversation(id, {
              systemPrompt: event.currentTarget.value,
            })
          }
        />
        <p class="hint" id={hint}>
          {t("settings.systemHint")}
        </p>
      </section>
      <section>
        <h3>{t("settings.sampling")}</h3>
        <div class="number-fields">
          {FIELDS.map((field) => (
            <NumberField key={field} field={field} />
          ))}
        </div>
      </section>
      <div class="row">
        <button
          type="button"
          class="button primary fill"
          onClick={() => (settingsDialog.value = false)}
        >
          {t("settings.done")}
        </button>
        <button
          type="button"
          class="button fill"
          onClick={() => desk.changeConversation(id, { sampling: {} })}
        >
          {t("settings.reset")}
        </button>
      </div>
    </>
  );
}

export function SettingsDialog() {
  return (
    <Dialog open={settingsDialog} title={t("settings.title")}>
      <Fields key={desk.openId.value} />
    </Dialog>
  );
}
