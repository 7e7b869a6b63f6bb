// The page in each of its languages: every phrase there, the right direction, nothing cut off.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LIMIT, SLOW, stage, violations, WWW } from "./app/stage.mjs";

/** What every visit loads, and what comes with the reading of pictures. */
const FOLDERS = ["../src/i18n", "../src/reading/words"].map((folder) =>
  join(WWW, folder),
);
const PLURAL = /_(zero|one|two|few|many|other)$/;

const languages = Object.fromEntries(
  await Promise.all(
    (await readdir(FOLDERS[0]))
      .filter((name) => name.endsWith(".json"))
      .map(async (name) => {
        const texts = FOLDERS.map((folder) =>
          readFile(join(folder, name), "utf8"),
        );
        const all = (await Promise.all(texts)).map((text) =>
          phrases(JSON.parse(text)),
        );
        return [name.slice(0, -5), Object.assign({}, ...all)];
      }),
  ),
);

/** Nested phrases as one map from path to text. */
function phrases(value, path = "") {
  return Object.entries(value).reduce(
    (all, [key, inner]) =>
      typeof inner === "string"
        ? { ...all, [path + key]: inner }
        : { ...all, ...phrases(inner, `${path}${key}.`) },
    {},
  );
}

const places = (text) => [...text.matchAll(/\{\{\w+\}\}/g)].join(" ");

test("every language has every phrase, with the same places", () => {
  const { en, ...others } = languages;
  const paths = (all) =>
    [
      ...new Set(Object.keys(all).map((path) => path.replace(PLURAL, ""))),
    ].sort();
  assert.ok(Object.keys(others).length >= 4);
  for (const [language, all] of Object.entries(others)) {
    assert.deepEqual(paths(all), paths(en), language);
    const rules = new Intl.PluralRules(language).resolvedOptions();
    for (const [path, text] of Object.entries(all)) {
      assert.notEqual(text.trim(), "", `${language}: ${path}`);
      if (!PLURAL.test(path))
        assert.equal(places(text), places(en[path]), `${language}: ${path}`);
    }
    const plurals = Object.keys(all)
      .filter((path) => PLURAL.test(path))
      .map((path) => PLURAL.exec(path)[1]);
    assert.deepEqual(plurals.sort(), [...rules.pluralCategories].sort());
  }
});

for (const [language, all] of Object.entries(languages))
  test(`${language}: first visit, a chat, the dialogs`, LIMIT, async (t) => {
    const { app } = await stage(t, {
      browser: { viewport: { width: 320, height: 640 }, locale: language },
    });
    const { page } = app;
    const check = async (what) => {
      const text = await page.locator("body").innerText();
      assert.doesNotMatch(text, /\b[a-z]+\.[a-z]+[A-Z]\w*\b|\{\{/, what);
      assert.deepEqual(await violations(page), [], what);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth,
      );
      assert.ok(wide <= 320, `${what}: ${wide} pixels wide`);
    };
    const button = (path) =>
      page.getByRole("button", { name: all[path], exact: true });
    await page.getByText(all["welcome.title"]).waitFor();
    const { lang, dir } = await page.evaluate(() => {
      const { lang, dir } = document.documentElement;
      return { lang, dir: dir || "ltr" };
    });
    assert.equal(lang, language);
    assert.equal(dir, language === "ar" ? "rtl" : "ltr");
    await page.locator(".panel .primary").click();
    await page.getByText(all["messages.empty"]).waitFor(SLOW);
    await check("ready");
    await button("settings.title").click();
    await page.getByLabel(all["settings.maxTokens"]).fill("8");
    await check("settings");
    await button("settings.done").click();
    // Who does not know what to ask presses an idea.
    await button("messages.idea2").click();
    await button("messages.regenerate").waitFor(SLOW);
    const asked = page.getByRole("article").first().locator(".bubble");
    assert.equal(await asked.innerText(), all["messages.idea2"]);
    await check("reply");
    await button("shelf.open").click();
    await check("conversations");
    // By hand to another language, and it stays.
    const other = language === "en" ? "ar" : "en";
    await page.getByLabel(all["shelf.language"]).selectOption(other);
    await page.getByText(languages[other]["shelf.title"]).first().waitFor();
    await page.reload();
    await page
      .getByRole("button", { name: languages[other]["shelf.open"] })
      .waitFor();
  });
