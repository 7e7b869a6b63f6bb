// Formulas in TeX as MathML, by Temml, loaded with the first formula. It refuses formulas that are programs: links,
// images and endless macros are off, and so is anything of unusual length.
import { signal } from "@preact/signals";
import type { TokenizerAndRendererExtension, Tokens } from "marked";

type Temml = (typeof import("temml"))["default"];

/** Undefined until the first formula has asked for it. */
const temml = signal<Temml | undefined>(undefined);

/** Changes when formulas that were shown as text can be shown as formulas. */
export const formulasReady = () => temml.value !== undefined;

let wanted: Promise<void> | undefined;
function want(): void {
  wanted ??= import("temml").then(
    (module) => void (temml.value = module.default),
    () => {
      // Offline and never used before: the TeX can be read, and the next formula asks again.
      wanted = undefined;
    },
  );
}

const LONGEST = 3000;
/** Within a line of text; each sign looks no further for its end, so that many signs cost little. */
const LONGEST_INLINE = 1000;

const escape = (text: string) =>
  text.replace(/[&<>]/g, (sign) => `&#${sign.codePointAt(0)!.toString()};`);

function formula(tex: string, displayMode: boolean): string {
  const plain = `<code dir="ltr">${escape(tex)}</code>`;
  if (tex.length > LONGEST) return plain;
  const renderer = temml.peek();
  if (!renderer) {
    want();
    return plain;
  }
  try {
    const made = renderer.renderToString(tex, {
      displayMode,
      throwOnError: true,
      maxExpand: 100,
      maxSize: [20, 20],
    });
    // The page's policy refuses style attributes, and says so for each.
    return made.replace(/ style="[^"]*"/g, "");
  } catch {
    return plain;
  }
}

const INLINE = [
  /^\$\$([^$]+?)\$\$/,
  /^\\\(([\s\S]+?)\\\)/,
  /^\\\[([\s\S]+?)\\\]/,
  // Prices are no formulas: no blank inside the signs, no digit or letter behind.
  /^\$(?!\s)((?:\\[^\n]|[^\\$\n])+?)(?<!\s)\$(?![\p{L}\p{N}])/u,
];
const BLOCK = [
  /^\$\$([\s\S]+?)\$\$ *(?:\n|$)/,
  /^\\\[([\s\S]+?)\\\] *(?:\n|$)/,
];

const first = (
  patterns: readonly RegExp[],
  source: string,
  longest: number,
) => {
  const near = source.slice(0, longest);
  for (const pattern of patterns) {
    const match = pattern.exec(near);
    if (match) return match;
  }
  return undefined;
};

const token = (type: string, match: RegExpExecArray | undefined) =>
  match && { type, raw: match[0], text: match[1]!.trim() };

/** Where the next formula may begin, for marked: `undefined` for nowhere. */
const starts = (pattern: RegExp) => (source: string) => {
  const at = source.slice(0, LONGEST_INLINE).search(pattern);
  return at < 0 ? undefined : at;
};

/** For marked. */
export const formulas: TokenizerAndRendererExtension[] = [
  {
    name: "formula",
    level: "inline",
    start: starts(/\$|\\[([]/),
    tokenizer: (source) =>
      token("formula", first(INLINE, source, LONGEST_INLINE)),
    renderer: ({ raw, text }: Tokens.Generic) =>
      formula(String(text), raw.startsWith("$$") || raw.startsWith("\\[")),
  },
  {
    name: "formulaBlock",
    level: "block",
    // A paragraph ends there, so only at the beginning of a line.
    start: starts(/(?<=\n)(?:\$\$|\\\[)/),
    tokenizer: (source) => token("formulaBlock", first(BLOCK, source, LONGEST)),
    renderer: ({ text }: Tokens.Generic) => formula(String(text), true),
  },
];

/** What Temml makes and a browser draws. */
export const MATHML_TAGS = [
  ...["math", "semantics", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace"],
  ...["msup", "msub", "msubsup", "mfrac", "msqrt", "mroot", "mprescripts"],
  ...["munder", "mover", "munderover", "mmultiscripts", "mtable", "mtr"],
  ...["mtd", "mstyle", "mpadded", "mphantom", "menclose", "merror"],
];
export const MATHML_ATTRIBUTES = [
  ...["display", "displaystyle", "scriptlevel", "mathvariant", "stretchy"],
  ...["fence", "separator", "lspace", "rspace", "minsize", "maxsize", "width"],
  ...["height", "depth", "voffset", "accent", "linethickness", "form"],
  ...["largeop", "movablelimits", "symmetric", "notation", "columnalign"],
];
