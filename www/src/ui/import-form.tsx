// A model file of this device goes into its storage without being loaded, chosen or dropped here.
import { signal } from "@preact/signals";
import type { TargetedDragEvent, TargetedEvent } from "preact";
import { useRef } from "preact/hooks";
import { announce } from "../announcer";
import { bytes, t } from "../i18n";
import { importFile } from "../model";
import { type Problem, problemFrom } from "../problem";
import { ProblemText } from "./problem-text";

type State =
  | { phase: "idle" }
  | { phase: "busy"; file: File }
  | { phase: "failed"; problem: Problem };

// Outlives the dialog: closing it does not stop the copying.
const state = signal<State>({ phase: "idle" });

export async function keepFile(file: File): Promise<void> {
  if (state.peek().phase === "busy") return;
  state.value = { phase: "busy", file };
  try {
    await importFile(file);
    state.value = { phase: "idle" };
    announce(t("storage.imported", { name: file.name }));
  } catch (error) {
    state.value = { phase: "failed", problem: problemFrom(error) };
  }
}

export function ImportForm() {
  const picker = useRef<HTMLInputElement>(null);
  const now = state.value;
  const busy = now.phase === "busy";
  const pick = (event: TargetedEvent<HTMLInputElement>) => {
    const file = event.currentTarget.files?.[0];
    event.currentTarget.value = "";
    if (file) void keepFile(file);
  };
  // Not for the page, which would load it.
  const drop = (event: TargetedDragEvent<HTMLDivElement>) => {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    // The page watches for its end.
    dispatchEvent(new DragEvent("dragleave"));
    void keepFile(file);
  };
  return (
    <div class="source-file import" onDrop={drop}>
      <button
        type="button"
        class="button"
        disabled={busy}
        onClick={() => picker.current?.click()}
      >
        {t("storage.import")}
      </button>
      <span class="hint only-fine">{t("storage.importDrop")}</span>
      {/* No `accept`: phones grey out .gguf files, whose type they do not know. */}
      <input ref={picker} type="file" hidden onChange={pick} />
      {now.phase === "busy" && (
        <p class="hint" role="status">
          {t("storage.importing", {
            name: now.file.name,
            size: bytes(now.file.size),
          })}
        </p>
      )}
      {now.phase === "failed" && <ProblemText problem={now.problem} />}
    </div>
  );
}
