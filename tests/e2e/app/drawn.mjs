// Pictures with text as a person would photograph or copy them: drawn by the page's own browser, so that no test needs a
// file or a library for it.

/** Evaluated in the page; the PNG in base64. */
export const drawing = (lines, { width = 900, height = 300 } = {}) => `(() => {
  const canvas = document.createElement("canvas");
  canvas.width = ${width};
  canvas.height = ${height};
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "black";
  context.font = "48px sans-serif";
  ${JSON.stringify(lines)}.forEach((line, at) => context.fillText(line, 40, 80 + at * 70));
  return canvas.toDataURL("image/png").split(",")[1];
})()`;

/** A file of that name; `evaluate` runs an expression in a page. */
export const drawn = async (evaluate, name, lines, size) => ({
  name,
  mimeType: "image/png",
  buffer: Buffer.from(await evaluate(drawing(lines, size)), "base64"),
});

export const INVOICE = ["Invoice 4711", "total 38.50"];

const png = (name, buffer) => ({ name, mimeType: "image/png", buffer });

/** Says that it has so many pixels, and holds none: 1 GB would have to be there to draw it. */
export const HUGE = png(
  "huge.png",
  Buffer.from(
    "89504e470d0a1a0a0000000d4948445200004e2000004e2008060000000000000049454e44ae426082",
    "hex",
  ),
);

/** Its head is that of a picture of 16 × 16 pixels, and the rest is missing. */
export const BROKEN = png(
  "broken.png",
  Buffer.from(
    "89504e470d0a1a0a0000000d494844520000001000000010080600000000000000",
    "hex",
  ),
);

export const NONSENSE = png("nonsense.png", Buffer.from("no picture at all"));
