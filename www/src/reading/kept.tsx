// In the storage view: what reads pictures, as far as it is on this device, and deleting it.
import { useEffect } from "preact/hooks";
import { bytes, languageName, t } from "../i18n";
import {
  deleteFiles,
  kept,
  keptBytes,
  keptLanguages,
  lookForFiles,
} from "./files";
import { ConfirmButton } from "../ui/confirm-button";
import { TrashIcon } from "../ui/icons";

export function ReadingKept() {
  useEffect(() => void lookForFiles(), []);
  if (kept.value.size === 0) return null;
  const name = t("reading.kept");
  const facts = [bytes(keptBytes()), ...keptLanguages().map(languageName)];
  return (
    <ul class="models" role="list">
      <li class="stored">
        <span class="wrap stored-name">
          {name}
          <span class="hint numbers">{facts.join(" · ")}</span>
        </span>
        <span class="stored-actions">
          <ConfirmButton
            label={t("storage.delete", { name })}
            icon={<TrashIcon />}
            onConfirm={() => void deleteFiles()}
          />
        </span>
      </li>
    </ul>
  );
}
