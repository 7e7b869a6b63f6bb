// How far the reading of a picture is, and the picture itself in small.
import { useEffect, useRef } from "preact/hooks";
import { percent, t } from "../i18n";
import type { Stage } from "./reading";

/** Decoration: the name stands beside it. */
export function Preview(props: { of: ImageBitmap | undefined; class: string }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const { of: bitmap } = props;
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas || !bitmap) return;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  }, [bitmap]);
  return bitmap ? (
    <canvas ref={ref} class={props.class} aria-hidden="true" />
  ) : null;
}

export function stageText(stage: Stage): string {
  switch (stage.at) {
    case "looking":
      return t("composer.attaching");
    case "asking":
      return t("reading.asking");
    case "waiting":
      return t("reading.waiting");
    case "fetching":
      return t("reading.fetching", { percent: percent(stage.done) });
    case "reading":
      return t("reading.now", { percent: percent(stage.done) });
  }
}

/** No live region: its start and its end are announced, each percent is not. */
export function StageBar({ stage, name }: { stage: Stage; name: string }) {
  const done = "done" in stage ? { value: stage.done } : {};
  return (
    <>
      <span class="hint numbers">{stageText(stage)}</span>
      {stage.at !== "asking" && (
        <progress
          aria-label={t("reading.progress", { name })}
          max={1}
          {...done}
        />
      )}
    </>
  );
}
