// Why the loaded model could not be kept on this device, and the way on: with consent, other models make room for it.
import { useSignal } from "@preact/signals";
import type { DeletableModel } from "smidgen";
import { useEffect } from "preact/hooks";
import { bytes, t } from "../i18n";
import { deletable, type Llm, load, model, refreshStored } from "../model";
import { explain } from "../problem";

const REASONS = /^storage_/;

/** Its models go only after a second press, which names them. */
function MakeRoom({ id, needed }: { id: string; needed: number }) {
  const list = useSignal<DeletableModel[]>([]);
  const sure = useSignal(false);
  const state = model.value;
  useEffect(() => {
    void deletable().then((found) => {
      // What is here of the model itself stays.
      list.value = found.filter((one) => one.id !== id);
    });
  }, [id]);
  if (state.phase !== "ready" || state.source.kind === "stored") return null;
  const { source } = state;
  // Those that will go, should nothing else use room meanwhile.
  const gone: DeletableModel[] = [];
  for (const one of list.value) {
    if (gone.reduce((sum, { bytes }) => sum + bytes, 0) >= needed) break;
    gone.push(one);
  }
  if (gone.length === 0) return <p class="hint">{t("storage.freeDevice")}</p>;
  return (
    <>
      <p class="hint">{t("storage.wouldGo")}</p>
      <ul class="hint would-go">
        {gone.map(({ id, name, bytes: size }) => (
          <li key={id} class="wrap">
            {name} ({bytes(size)})
          </li>
        ))}
      </ul>
      <button
        type="button"
        class={sure.value ? "button danger" : "button"}
        onClick={() => {
          if (sure.value)
            void load(source, { makeRoom: true }).then(refreshStored);
          sure.value = !sure.value;
        }}
      >
        {t(sure.value ? "storage.sure" : "storage.makeRoom")}
      </button>
    </>
  );
}

export function NotKept({ llm }: { llm: Llm }) {
  const { warnings, plan } = llm.info;
  const reason = warnings.find(({ code }) => REASONS.test(code));
  return (
    <div class="not-kept" role="status">
      <p>
        <strong>{t("welcome.notKept")}</strong>
      </p>
      {reason && (
        <>
          <p>{explain(reason)}</p>
          <p class="hint wrap thrown" lang="en" dir="ltr">
            {reason.message}
          </p>
          <p class="hint">
            {t("error.code")}: <code>{reason.code}</code>
          </p>
          {reason.code === "storage_quota" && (
            <MakeRoom id={llm.info.id} needed={plan.fileBytes} />
          )}
        </>
      )}
    </div>
  );
}
