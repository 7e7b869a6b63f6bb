// While no model is ready: what is offered, how far the loading is, or why it failed.
import type { LoadProgress } from "smidgen";
import { bytes, percent, t } from "../i18n";
import { cancelLoad, load, model, type Source, stored } from "../model";
import { ProblemText } from "./problem-text";
import { SourceForm } from "./source-form";

/** The other host that a download would come from. */
function place(source: Source): string | undefined {
  if (source.kind !== "url") return undefined;
  const { host, origin } = new URL(source.url);
  return origin === location.origin ? undefined : host;
}

function Other() {
  return (
    <details class="other">
      <summary>{t("welcome.other")}</summary>
      <SourceForm />
    </details>
  );
}

function Offer({ source, size }: { source: Source; size?: number }) {
  const remote = source.kind === "url";
  const host = place(source);
  const partial =
    source.kind === "url" &&
    stored.value.find(({ url, complete }) => !complete && url === source.url);
  return (
    <>
      <button
        type="button"
        class="button primary"
        onClick={() => void load(source)}
      >
        {!remote
          ? t("welcome.start")
          : partial
            ? t("welcome.resume", { size: bytes(partial.storedBytes) })
            : size === undefined
              ? t("welcome.download")
              : t("welcome.downloadSize", { size: bytes(size) })}
      </button>
      <p class="hint wrap">
        {source.name}
        {host && ` · ${t("welcome.from", { place: host })}`}
      </p>
      {remote && (
        <p class="hint">
          {size === undefined && `${t("welcome.sizeUnknown")} `}
          {t("welcome.cost")}
        </p>
      )}
      <Other />
    </>
  );
}

function Loading({ name, at }: { name: string; at: LoadProgress | undefined }) {
  const known = at?.totalBytes !== undefined && at.totalBytes > 0;
  const fraction = known ? at.loadedBytes / at.totalBytes! : undefined;
  return (
    <div class="loading">
      <p class="loading-phase">
        <strong>{at ? t(`load.${at.phase}`) : t("load.wait")}</strong>
        {fraction !== undefined && <span>{percent(fraction)}</span>}
      </p>
      <progress
        aria-label={t("load.label")}
        max={1}
        {...(fraction === undefined ? {} : { value: fraction })}
      />
      <p class="hint numbers">
        {at &&
          (known
            ? t("load.progress", {
                loaded: bytes(at.loadedBytes),
                total: bytes(at.totalBytes!),
              })
            : bytes(at.loadedBytes))}
      </p>
      <p class="hint wrap">{name}</p>
      <p class="hint">{t("load.pause")}</p>
      <button type="button" class="button" onClick={cancelLoad}>
        {t("load.cancel")}
      </button>
    </div>
  );
}

export function ModelPanel() {
  const state = model.value;
  switch (state.phase) {
    case "ready":
      return null;
    case "checking":
      return <p class="hint panel">{t("welcome.checking")}</p>;
    case "offered":
      return (
        <section class="panel" aria-label={t("source.title")}>
          <Offer
            source={state.source}
            {...(state.bytes === undefined ? {} : { size: state.bytes })}
          />
        </section>
      );
    case "missing":
      return (
        <section class="panel" aria-label={t("source.title")}>
          <p>{t("welcome.missing")}</p>
          <SourceForm />
        </section>
      );
    case "loading":
      return (
        <section class="panel" aria-label={t("load.label")}>
          <Loading name={state.source.name} at={state.progress} />
        </section>
      );
    case "failed":
      return (
        <section class="panel" aria-label={t("source.title")}>
          <ProblemText problem={state.problem} />
          <button
            type="button"
            class="button primary"
            onClick={() => void load(state.source)}
          >
            {t("error.retry")}
          </button>
          <p class="hint wrap">{state.source.name}</p>
          <Other />
        </section>
      );
  }
}
