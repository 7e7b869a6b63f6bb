// Choosing a model of one's own: a file of this device, an address, or a repository of the hub and a file of it.
import { signal, useSignal } from "@preact/signals";
import type { TargetedEvent } from "preact";
import { useId, useRef } from "preact/hooks";
import { filesOf, type HubFile, repositoryIn } from "../hub";
import { bytes, t } from "../i18n";
import { fromFile, fromUrl, load } from "../model";
import { type Problem, problemFrom } from "../problem";
import { ProblemText } from "./problem-text";

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

type Hub =
  | { phase: "asking"; repository: string }
  | { phase: "files"; repository: string; files: HubFile[] }
  | { phase: "failed"; problem: Problem };

function HubFiles({ hub }: { hub: Hub }) {
  switch (hub.phase) {
    case "asking":
      return (
        <p class="hint" role="status">
          {t("source.hubAsking", { name: hub.repository })}
        </p>
      );
    case "failed":
      return <ProblemText problem={hub.problem} />;
    case "files":
      return (
        <ul
          class="hub-files"
          role="list"
          aria-label={t("source.hubFiles", { name: hub.repository })}
        >
          {hub.files.map(({ name, url, bytes: size }) => (
            <li key={name}>
              <button
                type="button"
                class="button wide"
                onClick={() => {
                  const source = fromUrl(url);
                  if (source) void load(source);
                }}
              >
                <span class="wrap">{name}</span>
                <span class="hint numbers">{bytes(size)}</span>
              </button>
            </li>
          ))}
        </ul>
      );
  }
}

export function SourceForm() {
  const picker = useRef<HTMLInputElement>(null);
  const bad = useSignal(false);
  const hub = useSignal<Hub | undefined>(undefined);
  const field = useId();
  const hint = useId();

  const ask = async (repository: string) => {
    hub.value = { phase: "asking", repository };
    try {
      const files = await filesOf(repository);
      hub.value = { phase: "files", repository, files };
    } catch (error) {
      hub.value = { phase: "failed", problem: problemFrom(error) };
    }
  };
  const submit = (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("url");
    hub.value = undefined;
    const repository = typeof text === "string" && repositoryIn(text);
    if (repository) {
      bad.value = false;
      return void ask(repository);
    }
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
            type="text"
            inputMode="url"
            dir="ltr"
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
      {hub.value && <HubFiles hub={hub.value} />}
    </div>
  );
}
