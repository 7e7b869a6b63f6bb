// Choosing a model: a file of this device or an address.
import { signal, useSignal } from "@preact/signals";
import type { TargetedEvent } from "preact";
import { useId, useRef } from "preact/hooks";
import { t } from "../i18n";
import { fromFile, fromUrl, load } from "../model";

/** Why the last chosen file was refused. */
export const refusedFile = signal("");

export function openFile(file: File): void {
  if (!file.name.toLowerCase().endsWith(".gguf")) {
    refusedFile.value = file.name;
    return;
  }
  refusedFile.value = "";
  void load(fromFile(file));
}

export function SourceForm() {
  const picker = useRef<HTMLInputElement>(null);
  const bad = useSignal(false);
  const field = useId();
  const hint = useId();

  const submit = (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("url");
    const source = typeof text === "string" ? fromUrl(text) : undefined;
    bad.value = !source;
    if (source) void load(source);
  };
  const pick = (event: TargetedEvent<HTMLInputElement>) => {
    const file = event.currentTarget.files?.[0];
    if (file) openFile(file);
    event.currentTarget.value = "";
  };

  return (
    <div class="source">
      <div class="source-file">
        <button
          type="button"
          class="button"
          onClick={() => picker.current?.click()}
        >
          {t("source.file")}
        </button>
        <span class="hint only-fine">{t("source.drop")}</span>
        {/* No `accept`: phones grey out .gguf files, whose type they do not know. */}
        <input ref={picker} type="file" hidden onChange={pick} />
      </div>
      {refusedFile.value && (
        <p class="field-error" role="alert">
          {t("source.notGguf", { name: refusedFile.value })}
        </p>
      )}
      <form class="source-url" onSubmit={submit} noValidate>
        <label for={field}>{t("source.url")}</label>
        <div class="row">
          <input
            id={field}
            name="url"
            type="url"
            inputMode="url"
            autoComplete="off"
            autoCapitalize="off"
            spellcheck={false}
            placeholder="https://"
            aria-describedby={hint}
            aria-invalid={bad.value}
          />
          <button class="button">{t("source.load")}</button>
        </div>
        <p
          id={hint}
          class={bad.value ? "field-error" : "hint"}
          role={bad.value ? "alert" : undefined}
        >
          {t(bad.value ? "source.urlBad" : "source.urlHint")}
        </p>
      </form>
    </div>
  );
}
