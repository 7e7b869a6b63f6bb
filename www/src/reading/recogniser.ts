// The text of a picture by tesseract.js, in a worker that lives for one picture: no memory is held when nothing is read.
// All it loads comes from this page's own folder; its own store and its default hosts are not used.
import { createWorker, type Line } from "tesseract.js";
import { address, CORE, WORKER } from "./files";

class ReadingFailed extends Error {
  readonly code = "reading_failed";
}

/** Longer without a sign of progress, and nothing will come any more. */
const SILENCE_MS = 120_000;
/** Of 100. Below it lines are what patterns, edges and noise look like to the recogniser. */
const LEAST_CONFIDENCE = 35;

const HAN = "\\p{Script=Han}|[，。！？；：、（）《》“”]";
/** The recogniser puts spaces between the signs of Chinese, which has none. */
const BETWEEN_SIGNS = new RegExp(`(?<=${HAN}) +(?=${HAN})`, "gu");

const telling = ({ text, confidence }: Pick<Line, "text" | "confidence">) =>
  confidence >= LEAST_CONFIDENCE && /[\p{L}\p{N}]/u.test(text);

interface Block {
  paragraphs: readonly { lines: readonly Line[] }[];
}

/** Lines as they stand, paragraphs apart; empty where nothing in the picture is text. */
function textOf(blocks: readonly Block[]): string {
  return blocks
    .flatMap(({ paragraphs }) => paragraphs)
    .map(({ lines }) =>
      lines
        .filter(telling)
        .map(({ text }) => text.trim().replace(BETWEEN_SIGNS, ""))
        .join("\n"),
    )
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}

/** `scripts`: languages as tesseract names them. `onDone`: 0 to 1. */
export async function recognise(
  png: Blob,
  scripts: readonly string[],
  abort: AbortSignal,
  onDone: (done: number) => void,
): Promise<string> {
  abort.throwIfAborted();
  let fail: (error: unknown) => void = () => {};
  // Of what goes wrong while it starts, the library tells by its handler only, or not at all.
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const stop = () => fail(abort.reason);
  abort.addEventListener("abort", stop);
  let silence = 0;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(
      () => fail(new ReadingFailed(`silent for ${SILENCE_MS} ms`)),
      SILENCE_MS,
    );
  };
  heard();
  const starting = createWorker([...scripts], 1, {
    workerPath: address(WORKER),
    corePath: address(CORE),
    langPath: address(),
    workerBlobURL: false,
    cacheMethod: "none",
    logger: ({ status, progress }) => {
      heard();
      if (status === "recognizing text") onDone(progress);
    },
    errorHandler: (error) => fail(new ReadingFailed(String(error))),
  });
  const end = () => {
    void starting.then((worker) => worker.terminate()).catch(() => undefined);
  };
  const read = async () => {
    const worker = await starting;
    // Whole pages with columns and headings, as well as a few words; the density is only said so that none is guessed.
    const parameters = { tessedit_pageseg_mode: "3", user_defined_dpi: "200" };
    await worker.setParameters(parameters as object);
    const { data } = await worker.recognize(
      png,
      { rotateAuto: true },
      { blocks: true, text: false },
    );
    return textOf(data.blocks ?? []);
  };
  try {
    return await Promise.race([read(), failed]);
  } catch (error) {
    abort.throwIfAborted();
    if (error instanceof ReadingFailed) throw error;
    throw new ReadingFailed(
      error instanceof Error ? error.message : String(error),
    );
  } finally {
    clearTimeout(silence);
    abort.removeEventListener("abort", stop);
    end();
  }
}
