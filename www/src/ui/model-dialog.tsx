// What model is loaded, in figures, and the way to another one.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { bytes, number, t } from "../i18n";
import { model, stored, unload } from "../model";
import { CatalogueSection } from "./catalogue-section";
import { Dialog } from "./dialog";
import { SourceForm } from "./source-form";
import { StorageSection } from "./storage-section";

export const modelDialog = signal(false);

function Details() {
  const state = model.value;
  if (state.phase !== "ready") return null;
  const { info } = state.llm;
  const rows: [string, string][] = [
    [t("model.name"), info.name || state.source.name],
    [
      t("model.parameters"),
      `${number(info.parameters / 1e6)} M · ${info.format}`,
    ],
    [
      t("model.context"),
      t("model.contextValue", {
        used: number(info.contextLength),
        max: number(info.maxContextLength),
      }),
    ],
    [t("model.memory"), bytes(info.plan.totalBytes)],
    [t("model.flavour"), info.flavour],
    [t("model.threads"), number(info.threads)],
  ];
  return (
    <section>
      <h3>{t("model.details")}</h3>
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd dir="auto">{value}</dd>
          </div>
        ))}
      </dl>
      {info.templateWarning && (
        <p class="hint">
          {t("model.template", { warning: info.templateWarning })}
        </p>
      )}
      {info.warnings.map(({ code, message }) => (
        <p class="hint" key={code}>
          {message} <code>{code}</code>
        </p>
      ))}
      <button type="button" class="button" onClick={() => void unload()}>
        {t("model.unload")}
      </button>
    </section>
  );
}

export function ModelDialog() {
  // Once a model begins to load the conversation shows how far it is.
  useEffect(
    () =>
      effect(() => {
        if (model.value.phase === "loading") modelDialog.value = false;
      }),
    [],
  );
  return (
    <Dialog open={modelDialog} title={t("source.title")}>
      <Details />
      {stored.value.length > 0 && <StorageSection />}
      <CatalogueSection />
      <section>
        <h3>{t("source.own")}</h3>
        <SourceForm />
      </section>
      {stored.value.length === 0 && <StorageSection />}
    </Dialog>
  );
}
