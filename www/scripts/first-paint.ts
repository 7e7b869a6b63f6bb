// What a first visit sees before much has come: the page's style stands in the page itself, and the words of the welcome
// come before the rest. Plugins for the build.
import type { Plugin } from "vite";
import ar from "../src/i18n/ar.json" with { type: "json" };
import de from "../src/i18n/de.json" with { type: "json" };
import en from "../src/i18n/en.json" with { type: "json" };
import es from "../src/i18n/es.json" with { type: "json" };
import zh from "../src/i18n/zh.json" with { type: "json" };

async function sha256(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return btoa(String.fromCharCode(...digest));
}

/** The style sheet that every visit needs, in place of its link: one round trip less before the first paint. */
const inlineStyle = (): Plugin => ({
  name: "inline-style",
  apply: "build",
  transformIndexHtml: {
    order: "post",
    async handler(html, { bundle }) {
      const link = /<link rel="stylesheet"[^>]*href="\.\/([^"]+)"[^>]*>/;
      const name = link.exec(html)?.[1];
      const sheet = name === undefined ? undefined : bundle?.[name];
      if (sheet?.type !== "asset")
        throw new Error("the page has no style sheet of its own any more");
      delete bundle![name!];
      const { source } = sheet;
      const style = (
        typeof source === "string" ? source : new TextDecoder().decode(source)
      ).trim();
      // The policy allows this very text and no other.
      const allowed = html.replace(
        "style-src 'self'",
        `style-src 'self' 'sha256-${await sha256(style)}'`,
      );
      if (allowed === html) throw new Error("the policy names no styles");
      return allowed.replace(link, () => `<style>${style}</style>`);
    },
  },
});

/** The entry that shows the first words, ahead of the page's own: it is small and needs nothing else. */
const firstScript = (): Plugin => ({
  name: "first-script",
  apply: "build",
  config: () => ({
    build: {
      rolldownOptions: {
        input: { index: "index.html", "first-paint": "src/first-paint.ts" },
      },
    },
  }),
  transformIndexHtml: {
    order: "post",
    handler(html, { bundle }) {
      const entry = Object.values(bundle ?? {}).find(
        (one) => one.type === "chunk" && one.name === "first-paint",
      );
      if (entry?.type !== "chunk")
        throw new Error("the first words have no script of their own any more");
      const tag = (attributes: string, file: string) =>
        `<${attributes.replace("…", `"./${file}"`)}`;
      const before = [
        tag(
          'script type="module" async crossorigin src=…></script>',
          entry.fileName,
        ),
        ...entry.imports.map((file) =>
          tag('link rel="modulepreload" crossorigin href=…>', file),
        ),
      ];
      const main = '<script type="module"';
      if (!html.includes(main)) throw new Error("the page has no script");
      return html.replace(main, () => [...before, main].join("\n    "));
    },
  },
});

const WORDS = "virtual:first-words";

/** Title and text of the welcome in every language. */
const firstWords = (): Plugin => ({
  name: "first-words",
  resolveId: (id) => (id === WORDS ? `\0${WORDS}` : undefined),
  load(id) {
    if (id !== `\0${WORDS}`) return undefined;
    const words = Object.entries({ en, de, es, ar, zh }).map(
      ([language, { welcome }]) => [language, [welcome.title, welcome.text]],
    );
    return `export default ${JSON.stringify(Object.fromEntries(words))};`;
  },
});

export const firstPaint = () => [inlineStyle(), firstScript(), firstWords()];
