// A file a person gives as pages of plain text: text and Markdown as they are, PDF through pdf.js, loaded when needed.
// It refuses what is no text and what is too large to be read on a phone. Pictures are read elsewhere (reading/).

export interface Pages {
  /** For text and Markdown one page. */
  pages: string[];
  kind: "text" | "pdf";
}

export class UnreadableFile extends Error {
  constructor(
    readonly code:
      | "file_too_large"
      | "file_not_text"
      | "file_bad_pdf"
      | "file_needs_map"
      | "file_empty"
      | "picture_unreadable"
      | "picture_too_large"
      | "picture_no_text",
    message: string,
  ) {
    super(message);
  }
}

export const LARGEST_FILE_BYTES = 50_000_000;
const MOST_PAGES = 2000;
const MOST_CHARACTERS = 4_000_000;

export const isPdf = (file: File) =>
  file.type === "application/pdf" || /\.pdf$/i.test(file.name);

export async function textOf(file: File): Promise<Pages> {
  if (file.size > LARGEST_FILE_BYTES)
    throw new UnreadableFile(
      "file_too_large",
      `${file.name} has ${file.size} bytes, at most ${LARGEST_FILE_BYTES} are read`,
    );
  const read = isPdf(file) ? await pdf(file) : await plain(file);
  if (read.pages.every((page) => page.trim() === ""))
    throw new UnreadableFile("file_empty", `${file.name} holds no text`);
  return read;
}

async function plain(file: File): Promise<Pages> {
  let text: string;
  try {
    const buffer = await file.arrayBuffer();
    text = new TextDecoder("utf-8", { fatal: true }).decode(buffer);
  } catch {
    throw new UnreadableFile("file_not_text", `${file.name} is not UTF-8 text`);
  }
  if (text.includes("\0"))
    throw new UnreadableFile("file_not_text", `${file.name} is a binary file`);
  return { kind: "text", pages: [text.slice(0, MOST_CHARACTERS)] };
}

async function pdf(file: File): Promise<Pages> {
  const { readPdf, MissingMap } = await import("./pdf");
  try {
    const pages = await readPdf(await file.arrayBuffer(), {
      mostPages: MOST_PAGES,
      mostCharacters: MOST_CHARACTERS,
    });
    return { kind: "pdf", pages };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnreadableFile(
      error instanceof MissingMap ? "file_needs_map" : "file_bad_pdf",
      `${file.name}: ${reason}`,
    );
  }
}
