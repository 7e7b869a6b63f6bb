// Files as a person would have them: a PDF of several pages, written here so that the tests need no binary.

/** A PDF with one text on each page, in Helvetica; lines are broken where the text has line breaks. */
export function pdf(pages) {
  const objects = [];
  const add = (body) => objects.push(body);
  const first = 4;
  const kids = pages.map((_, at) => `${first + at * 2} 0 R`).join(" ");
  add("<< /Type /Catalog /Pages 2 0 R >>");
  add(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
  pages.forEach((text, at) => {
    const lines = text
      .split("\n")
      .map((line) => `(${line.replace(/[()\\]/g, "\\$&")}) Tj T*`)
      .join("\n");
    const drawing = `BT /F1 12 Tf 14 TL 50 780 Td\n${lines}\nET`;
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] ` +
        `/Resources << /Font << /F1 3 0 R >> >> ` +
        `/Contents ${first + at * 2 + 1} 0 R >>`,
    );
    add(`<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`);
  });
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
