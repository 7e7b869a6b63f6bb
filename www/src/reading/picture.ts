// A picture as the recogniser takes it: upright, on white, of bounded size, as PNG. It refuses what the browser cannot
// draw and, before drawing anything, what would not fit into a phone's memory.
import { BMP } from "image-size/types/bmp";
import { GIF } from "image-size/types/gif";
import { HEIF } from "image-size/types/heif";
import { JPG } from "image-size/types/jpg";
import { PNG } from "image-size/types/png";
import { WEBP } from "image-size/types/webp";
import { LARGEST_FILE_BYTES, UnreadableFile } from "../documents/text-of";

export interface Picture {
  png: Blob;
  /** To show what the text was read from. */
  preview: ImageBitmap;
}

/** Drawn, a pixel takes four bytes: 200 MB. Phones save 12 to 50 million. */
const LARGEST_PIXELS = 50_000_000;
/** A page of A4 at 170 dots per inch: more makes reading slower, not better. */
const READ_PIXELS = 4_000_000;
/** Letters of a small picture are often too small to be told apart; twice as large they can be. */
const MOST_ENLARGED = 2;
const PREVIEW_SIDE = 480;
/** The size stands in front; what cameras put before it takes up to a few hundred thousand bytes. */
const HEAD_BYTES = 1_000_000;

/** What browsers draw and people have; AVIF is a kind of HEIF. */
const KINDS = [PNG, JPG, WEBP, GIF, HEIF, BMP];

const unreadable = (file: File, reason: string) =>
  new UnreadableFile("picture_unreadable", `${file.name}: ${reason}`);

const reasonOf = (error: unknown) =>
  error instanceof Error ? error.message : String(error);

async function checkSize(file: File): Promise<void> {
  if (file.size > LARGEST_FILE_BYTES)
    throw new UnreadableFile(
      "picture_too_large",
      `${file.name} has ${file.size} bytes, at most ${LARGEST_FILE_BYTES} are read`,
    );
  let width: number;
  let height: number;
  try {
    const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    const kind = KINDS.find((one) => one.validate(head));
    if (!kind) throw new Error("neither PNG, JPEG, WebP, GIF, AVIF nor BMP");
    ({ width, height } = kind.calculate(head));
  } catch (error) {
    throw unreadable(file, reasonOf(error));
  }
  if (width * height > LARGEST_PIXELS)
    throw new UnreadableFile(
      "picture_too_large",
      `${file.name} has ${width} × ${height} pixels, at most ${LARGEST_PIXELS} are read`,
    );
}

function drawn(bitmap: ImageBitmap, scale: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d")!;
  // What is transparent would be read as black.
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Some browsers give canvases' memory back late, unless they are made small. */
const release = (canvas: HTMLCanvasElement) => {
  canvas.width = canvas.height = 0;
};

const png = (canvas: HTMLCanvasElement) =>
  new Promise<Blob>((resolve, reject) =>
    canvas.toBlob((blob) =>
      blob ? resolve(blob) : reject(new Error("the picture is not drawn")),
    ),
  );

export async function pictureOf(file: File): Promise<Picture> {
  await checkSize(file);
  let bitmap: ImageBitmap;
  try {
    // Turned as the camera says.
    bitmap = await createImageBitmap(file);
  } catch (error) {
    throw unreadable(file, reasonOf(error));
  }
  const { width, height } = bitmap;
  const fitting = Math.sqrt(READ_PIXELS / (width * height));
  const page = drawn(bitmap, Math.min(MOST_ENLARGED, fitting));
  const small = drawn(
    bitmap,
    Math.min(1, PREVIEW_SIDE / Math.max(width, height)),
  );
  bitmap.close();
  try {
    return { png: await png(page), preview: await createImageBitmap(small) };
  } catch (error) {
    throw unreadable(file, reasonOf(error));
  } finally {
    release(page);
    release(small);
  }
}
