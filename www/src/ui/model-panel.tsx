// While no model is ready: what is offered, how far the loading is, or why it failed.
import type { LoadProgress } from "smidgen";
import type { Pace } from "../download-pace";
import { bytes, duration, percent, t } from "../i18n";
import { cancelLoad, load, model, type Source, stored } from "../model";
import { modelDialog } from "./model-dialog";
import { ProblemText } from "./problem-text";
import { refusedFile, SourceForm } from "./source-form";

/** The other host that a download would come from. */
function place(source: Source): string | undefined {
  if (source.kind !== "url") return undefined;
  const { host, origin } = new URL(source.url);
  return origin === location.origin ? undefined : host;
}

function Other() {
  return (
    <>
      <button
        type="button"
        class="button"
        aria-haspopup="dialog"
        onClick={() => (modelDialog.value = true)}
      >
        {t("catalogue.open")}
      </button>
      {/* What is refused must be seen. */}
      <details class="other" open={refusedFile.value ? true : undefined}>
        <summary>{t("source.own")}</summary>
        <SourceForm />
      </details>
    </>
  );
}

/** Where a download stands; `value` undefined while that is unknown. */
function Bar({ at, label }: { at: LoadProgress | undefined; label: string }) {
  const total = at?.totalBytes;
  return (
    <progress
      aria-label={label}
      max={1}
      {...(at && total ? { value: at.loadedBytes / total } : {})}
    />
  );
}

const amount = (at: LoadProgress) =>
  at.totalBytes
    ? t("load.progress", {
        loaded: bytes(at.loadedBytes),
        total: bytes(at.totalBytes),
      })
    : bytes(at.loadedBytes);

function Offer(props: {
  source: Source;
  size?: number;
  paused?: LoadProgress;
}) {
  const { source, size, paused } = props;
  const remote = source.kind === "url";
  const host = place(source);
  const partial =
    source.kind === "url" &&
    stored.value.find(({ url, complete }) => !complete && url === source.url);
  const here = (partial || undefined)?.storedBytes;
  return (
    <>
      {paused && (
        <div class="loading">
          <p class="loading-phase">
            <strong>{t("load.paused")}</strong>
            <span class="numbers">{amount(paused)}</span>
          </p>
          <Bar at={paused} label={t("load.paused")} />
        </div>
      )}
      <button
        type="button"
        class="button primary"
        onClick={() => void load(source)}
      >
        {!remote
          ? t("welcome.start")
          : paused
            ? t("load.goOn")
            : here !== undefined
              ? t("welcome.resume", { size: bytes(here) })
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
          {size === undefined && !paused && `${t("welcome.sizeUnknown")} `}
          {t("welcome.cost")}
        </p>
      )}
      <Other />
    </>
  );
}

function Loading(props: {
  name: string;
  at: LoadProgress | undefined;
  pace: Pace | undefined;
}) {
  const { name, at, pace } = props;
  const known = at?.totalBytes !== undefined && at.totalBytes > 0;
  const fraction = known ? at.loadedBytes / at.totalBytes! : undefined;
  const left = pace?.secondsLeft;
  return (
    <div class="loading">
      <p class="loading-phase">
        <strong>{at ? t(`load.${at.phase}`) : t("load.wait")}</strong>
        {fraction !== undefined && <span>{percent(fraction)}</span>}
      </p>
      <Bar at={at} label={t("load.label")} />
      <p class="hint numbers">{at && amount(at)}</p>
      {/* Keeps its line, so that nothing jumps when the pace is known. */}
      <p class="hint numbers pace">
        {pace && t("load.pace", { speed: bytes(pace.bytesPerSecond) })}
        {left !== undefined && ` · ${t("load.left", { time: duration(left) })}`}
      </p>
      <p class="hint wrap">{name}</p>
      <p class="hint">{t("load.pause")}</p>
      <button type="button" class="button" onClick={cancelLoad}>
        {t(at?.phase === "download" ? "load.hold" : "load.cancel")}
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
            {...(state.paused ? { paused: state.paused } : {})}
          />
        </section>
      );
    case "missing":
      return (
        <section class="panel" aria-label={t("source.title")}>
          <p>{t("welcome.missing")}</p>
          <button
            type="button"
            class="button primary"
            aria-haspopup="dialog"
            onClick={() => (modelDialog.value = true)}
          >
            {t("catalogue.open")}
          </button>
          <SourceForm />
        </section>
      );
    case "loading":
      return (
        <section class="panel" aria-label={t("load.label")}>
          <Loading
            name={state.source.name}
            at={state.progress}
            pace={state.pace}
          />
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
