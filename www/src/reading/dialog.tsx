// What was read in a picture, to be seen and corrected before it is sent, and the language to read it in.
import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import * as desk from "../desk";
import {
  bytes,
  type Language,
  language,
  languageName,
  languages,
  t,
} from "../i18n";
import { pictureOf, readIn, stopReading } from "./pictures";
import { missingBytes } from "./files";
import { Dialog } from "../ui/dialog";
import { ProblemText } from "../ui/problem-text";
import { Preview, StageBar } from "./stage";

const open = signal(false);
const shown = signal("");

export function showPicture(id: string): void {
  shown.value = id;
  open.value = true;
}

/** Choosing is asking for it, so what it would fetch is said here. */
function optionText(one: Language): string {
  const name = languageName(one);
  const size = missingBytes(one);
  return size > 0 ? t("reading.option", { name, size: bytes(size) }) : name;
}

function LanguageChoice({ id, of }: { id: string; of: Language }) {
  const field = useId();
  const hint = useId();
  void language.value;
  return (
    <div class="number-field">
      <label for={field}>{t("reading.language")}</label>
      <select
        id={field}
        aria-describedby={hint}
        value={of}
        onChange={(event) => readIn(id, event.currentTarget.value as Language)}
      >
        {(Object.keys(languages) as Language[]).map((one) => (
          <option key={one} value={one}>
            {optionText(one)}
          </option>
        ))}
      </select>
      <p class="hint" id={hint}>
        {t("reading.languageHint")}
      </p>
    </div>
  );
}

function Text({ id }: { id: string }) {
  const area = useId();
  const hint = useId();
  const { id: conversation, attached = [] } = desk.open.value;
  const mine = attached.find(({ picture }) => picture === id);
  if (!mine) return null;
  return (
    <div class="number-field">
      <label for={area}>{t("reading.text")}</label>
      <textarea
        id={area}
        class="field-area"
        rows={8}
        dir="auto"
        value={mine.text}
        aria-describedby={hint}
        onInput={(event) => {
          const text = event.currentTarget.value;
          desk.changeConversation(conversation, {
            attached: attached.map((each) =>
              each === mine ? { ...mine, text } : each,
            ),
          });
        }}
      />
      <p class="hint" id={hint}>
        {t("reading.hint")}
      </p>
    </div>
  );
}

function Contents({ id }: { id: string }) {
  const picture = pictureOf(id);
  const { stage, empty, problem, file } = picture ?? {};
  return (
    <>
      <Preview of={picture?.preview} class="preview" />
      {picture ? (
        <LanguageChoice id={id} of={picture.language} />
      ) : (
        <p class="hint">{t("reading.gone")}</p>
      )}
      {stage && file ? (
        <div class="panel">
          <StageBar stage={stage} name={file.name} />
          <button
            type="button"
            class="button"
            aria-label={t("reading.stop", { name: file.name })}
            onClick={() => stopReading(id)}
          >
            {t("load.cancel")}
          </button>
        </div>
      ) : (
        <>
          {empty && <p class="hint">{t("reading.none")}</p>}
          {problem && <ProblemText problem={problem} />}
          <Text id={id} />
        </>
      )}
      <div class="row">
        <button
          type="button"
          class="button primary fill"
          onClick={() => (open.value = false)}
        >
          {t("settings.done")}
        </button>
      </div>
    </>
  );
}

export function PictureDialog() {
  return (
    <Dialog open={open} title={t("reading.title")}>
      <Contents key={shown.value} id={shown.value} />
    </Dialog>
  );
}
