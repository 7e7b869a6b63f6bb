// A picture in the composer: how far its reading is, or that nothing came of it, and the way to what was read.
import { t } from "../i18n";
import {
  dropPicture,
  type Picture,
  pictureOf,
  readAgain,
  stopReading,
} from "./pictures";
import { CloseIcon } from "../ui/icons";
import { showPicture } from "./dialog";
import { ProblemText } from "../ui/problem-text";
import { Preview, StageBar } from "./stage";

export function UnreadPicture({ picture }: { picture: Picture }) {
  const { id, file, preview, stage, empty, problem } = picture;
  const { name } = file;
  const label = t(stage ? "reading.stop" : "composer.detach", { name });
  return (
    <li class={problem ? "picture failed" : "picture"}>
      <Preview of={preview} class="thumb" />
      <span class="picture-state">
        <span class="attached-name" dir="auto">
          {name}
        </span>
        {stage && <StageBar stage={stage} name={name} />}
        {empty && (
          <span class="row picture-none">
            <span class="hint">{t("reading.none")}</span>
            <button type="button" class="link" onClick={() => showPicture(id)}>
              {t("reading.other")}
            </button>
          </span>
        )}
        {problem && (
          <>
            <ProblemText problem={problem} />
            {problem.code.startsWith("reading_") && (
              <button
                type="button"
                class="button"
                onClick={() => readAgain(id)}
              >
                {t("error.retry")}
              </button>
            )}
          </>
        )}
      </span>
      <button
        type="button"
        class="small-button"
        aria-label={label}
        title={label}
        onClick={() => (stage ? stopReading(id) : dropPicture(id))}
      >
        <CloseIcon />
      </button>
    </li>
  );
}

/** In place of the name of a file that waits: opens what was read. */
export function PictureName({ id, name }: { id: string; name: string }) {
  const { preview, stage } = pictureOf(id) ?? {};
  return (
    <>
      <Preview of={preview} class="thumb" />
      <span class="picture-state">
        <button
          type="button"
          class="link attached-name"
          dir="auto"
          aria-label={t("reading.show", { name })}
          title={t("reading.show", { name })}
          onClick={() => showPicture(id)}
        >
          {name}
        </button>
        {stage && <StageBar stage={stage} name={name} />}
      </span>
    </>
  );
}
