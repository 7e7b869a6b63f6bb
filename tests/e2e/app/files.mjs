// Files as a person would have them: PDFs among them, written here so that the tests need no binary.

import { deflateSync } from "node:zlib";

/** A PDF of these objects, numbered from 1; the first is its catalogue. */
function file(objects) {
  let file = "%PDF-1.4\n";
  const offsets = objects.map((body, at) => {
    const offset = file.length;
    file += `${at + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const table = offsets
    .map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`)
    .join("");
  const xref = file.length;
  file +=
    `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}` +
    `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\n` +
    `startxref\n${xref}\n%%EOF\n`;
  return Buffer.from(file, "latin1");
}

/** Compressed, as nearly all are. */
function stream(text) {
  const body = deflateSync(Buffer.from(text, "latin1")).toString("latin1");
  return `<< /Length ${body.length} /Filter /FlateDecode >>\nstream\n${body}\nendstream`;
}

/** A page that draws object `contents` in font F1, which is object `font`. */
const page = (contents, font) =>
  `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] ` +
  `/Resources << /Font << /F1 ${font} 0 R >> >> /Contents ${contents} 0 R >>`;

/** A PDF with one text on each page, in Helvetica; lines are broken where the text has line breaks. */
export function pdf(pages) {
  const first = 4;
  const kids = pages.map((_, at) => `${first + at * 2} 0 R`).join(" ");
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  ];
  pages.forEach((text, at) => {
    const lines = text
      .split("\n")
      .map((line) => `(${line.replace(/[()\\]/g, "\\$&")}) Tj T*`)
      .join("\n");
    objects.push(
      page(first + at * 2 + 1, 3),
      stream(`BT /F1 12 Tf 14 TL 50 780 Td\n${lines}\nET`),
    );
  });
  return file(objects);
}

/** `text` in a legacy encoding of two bytes a character, as hexadecimal digits: its decoder, turned around. */
function legacy(text, label) {
  const decoder = new TextDecoder(label);
  const codes = new Map();
  for (let code = 0x8140; code <= 0xfefe; code += 1) {
    const character = decoder.decode(Uint8Array.of(code >> 8, code & 0xff));
    if ([...character].length === 1 && !codes.has(character))
      codes.set(character, code.toString(16));
  }
  return [...text].map((character) => codes.get(character)).join("");
}

/** A PDF as older programs write Chinese and Japanese: a font that is not in the file, in an encoding named only. */
function named(text, { label, map, ordering }) {
  return file([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [6 0 R] /Count 1 >>",
    `<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /${map} /DescendantFonts [4 0 R] >>`,
    `<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Song /FontDescriptor 5 0 R ` +
      `/CIDSystemInfo << /Registry (Adobe) /Ordering (${ordering}) /Supplement 2 >> >>`,
    "<< /Type /FontDescriptor /FontName /Song /Flags 4 /FontBBox [0 -120 1000 880] " +
      "/ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >>",
    page(7, 3),
    stream(`BT /F1 12 Tf 50 780 Td <${legacy(text, label)}> Tj ET`),
  ]);
}

const menu = (name, says, how) => ({
  name,
  says,
  mimeType: "application/pdf",
  buffer: named(says, how),
});

export const MENUS = {
  chinese: menu("menu-zh.pdf", "咖啡和苹果蛋糕", {
    label: "gbk",
    map: "GBK-EUC-H",
    ordering: "GB1",
  }),
  japanese: menu("menu-ja.pdf", "抹茶と林檎の菓子", {
    label: "shift_jis",
    map: "90ms-RKSJ-H",
    ordering: "Japan1",
  }),
};

/** The manual of a coffee machine: what stands on which page is what the tests ask for. */
export const MANUAL = {
  name: "manual.pdf",
  mimeType: "application/pdf",
  buffer: pdf([
    "Getting started\nPlace the coffee machine on a level surface.\nFill the tank with cold water up to the mark.",
    "Cleaning\nDescale the machine every three months with citric acid.\nRinse the milk nozzle after each use.",
    "Warranty\nThe warranty covers two years from the day of purchase.\nKeep the receipt; send claims to the dealer.",
  ]),
};

export const LETTER = {
  name: "letter.md",
  mimeType: "text/markdown",
  buffer: Buffer.from(
    "# The garden\n\nDear Ada, the apple trees were planted in 1987 by your grandmother.\n\nThe well is behind the shed; its pump needs a new seal.\n",
  ),
};
