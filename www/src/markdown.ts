// A reply's Markdown as blocks: code as data, everything else, formulas too, as HTML that has been cleaned.
// It refuses markup of the model's own (shown as text) and whatever would fetch (images become links).
import DOMPurify from "dompurify";
import { Marked, type Token, type Tokens, type TokensList } from "marked";
import {
  formulas,
  formulasReady,
  MATHML_ATTRIBUTES,
  MATHML_TAGS,
} from "./math";

export type Block =
  | { kind: "code"; key: string; language: string; text: string }
  /** Trusted Types where the browser has them. */
  | { kind: "html"; key: string; html: Cleaned };

/** Beyond this a reply is shown as it is: parsing it at every frame would hold up the page. */
const LONGEST = 100_000;

const escape = (text: string) =>
  text.replace(
    /[&<>"']/g,
    (character) => `&#${character.codePointAt(0)!.toString()};`,
  );

const address = (href: string) =>
  /^(https?:|mailto:)/i.test(href) ? escape(href) : "";

const link = (href: string, inner: string) =>
  address(href)
    ? `<a href="${address(href)}" target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`
    : inner;

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: formulas,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => link(href, escape(text || href)),
    link({ href, tokens }) {
      return link(href, this.parser.parseInline(tokens));
    },
    // A message's own heading is of level 2.
    heading({ depth, tokens }) {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const CLEAN = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "strong", "em", "del", "code", "pre", "a"],
    ...["ul", "ol", "li", "blockquote", "h3", "h4", "h5", "h6"],
    ...["table", "thead", "tbody", "tr", "th", "td"],
    ...MATHML_TAGS,
  ],
  ALLOWED_ATTR: [
    ...["href", "target", "rel", "start", "align", "dir"],
    ...MATHML_ATTRIBUTES,
  ],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

/** Text, or where the browser has Trusted Types an object of theirs. */
export type Cleaned = string | { toString(): string };

const clean = (source: string): Cleaned =>
  "trustedTypes" in globalThis
    ? DOMPurify.sanitize(source, { ...CLEAN, RETURN_TRUSTED_TYPE: true })
    : DOMPurify.sanitize(source, CLEAN);

const cleaned = new Map<string, Cleaned>();
const CLEANED_KEPT = 500;

/** While a reply grows only its last block changes; the others are looked up. */
function html(token: Token, links: TokensList["links"]): Cleaned {
  const known = cleaned.get(token.raw);
  if (known !== undefined && Object.keys(links).length === 0) return known;
  const source = marked.parser(Object.assign([token], { links }));
  const result = clean(source);
  if (cleaned.size >= CLEANED_KEPT) cleaned.clear();
  cleaned.set(token.raw, result);
  return result;
}

/** Undefined where the text is better shown as it is. */
export function blocks(text: string): Block[] | undefined {
  if (text.length > LONGEST) return undefined;
  try {
    return parsed(text);
  } catch (error) {
    // Nesting beyond the parser's stack: nobody reads that as Markdown.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

let withFormulas = false;

function parsed(text: string): Block[] {
  if (formulasReady() && !withFormulas) {
    withFormulas = true;
    cleaned.clear();
  }
  const tokens = marked.lexer(text);
  return tokens
    .filter(({ type }) => type !== "space" && type !== "def")
    .map((token, index): Block => {
      const key = String(index);
      if (token.type !== "code")
        return { kind: "html", key, html: html(token, tokens.links) };
      const { lang, text: code } = token as Tokens.Code;
      const language = (lang ?? "").trim().split(/\s/)[0] ?? "";
      return { kind: "code", key, language, text: code };
    });
}
