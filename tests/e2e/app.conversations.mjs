// Conversations on this device: kept, found, named, pinned, deleted, taken out and brought back; and hostile ones.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { archive, imported, LIMIT, stage, visit } from "./app/stage.mjs";

const conversation = (title, content, more = {}) => ({
  title,
  messages: [
    { role: "user", content: `About ${title}` },
    { role: "assistant", content },
  ],
  ...more,
});

const wide = { browser: { viewport: { width: 1280, height: 800 } } };

test("import, search, rename, pin, export, delete", LIMIT, async (t) => {
  const { app, server, browser } = await stage(t, wide);
  const { page } = app;
  const list = page.getByRole("navigation", { name: "Conversations" });
  const titles = () => list.getByRole("listitem").allInnerTexts();
  await imported(
    app,
    archive(
      conversation("Bread", "Flour, water, **salt**.", {
        updatedAt: 3000,
        systemPrompt: "Be brief.",
        sampling: { temperature: 0.5, topK: 1e9, nonsense: 1 },
      }),
      conversation("Clouds", "Cumulus and stratus.", { updatedAt: 2000 }),
      conversation("Foxes", "Red ones.", { updatedAt: 1000 }),
    ),
  );
  await list.getByText("Foxes").waitFor();
  await app.articles.last().getByText("Flour").waitFor();
  assert.deepEqual(await titles(), ["Bread", "Clouds", "Foxes"]);
  assert.equal(await app.reply(), "Flour, water, salt.");

  // A word of a message, not of a title.
  const search = await app.shelf();
  await search.fill("STRATUS");
  await list.getByText("Bread").waitFor({ state: "hidden" });
  assert.deepEqual(await titles(), ["Clouds"]);
  await search.fill("no such thing");
  await list.getByText("No conversation matches.").waitFor();
  await search.fill("");
  await list.getByText("Foxes").waitFor();

  const more = (title) =>
    page.getByRole("button", { name: `More about “${title}”` });
  await more("Foxes").click();
  await page.getByRole("button", { name: "Pin to the top" }).click();
  await page.getByLabel("Name").fill("Vixens");
  await page.getByRole("button", { name: "Rename" }).click();
  await list.getByText("Vixens").waitFor();
  assert.match((await titles())[0], /Vixens/);

  await more("Bread").click();
  const saved = async (name) => {
    const waiting = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    const download = await waiting;
    return {
      name: download.suggestedFilename(),
      text: await readFile(await download.path(), "utf8"),
    };
  };
  const markdown = await saved("Save as Markdown");
  assert.equal(markdown.name, "Bread.md");
  assert.equal(
    markdown.text,
    "# Bread\n\n**System prompt**\n\nBe brief.\n\n**You**\n\nAbout Bread\n\n**Model**\n\nFlour, water, **salt**.\n",
  );
  const json = JSON.parse((await saved("Save as JSON")).text);
  assert.equal(json.conversations[0].title, "Bread");
  assert.deepEqual(json.conversations[0].sampling, { temperature: 0.5 });
  const destroy = page.getByRole("button", { name: /delete/i });
  await destroy.click();
  await destroy.click();
  await list.getByText("Bread").waitFor({ state: "hidden" });

  // All of it is there in the next tab, and a change there shows here.
  const other = await visit(browser, server);
  const otherList = other.page.getByRole("navigation", {
    name: "Conversations",
  });
  await otherList.getByText("Vixens").waitFor();
  assert.equal(await otherList.getByRole("listitem").count(), 2);
  await other.page.getByRole("button", { name: "More about “Clouds”" }).click();
  await other.page.getByLabel("Name").fill("Weather");
  await other.page.getByRole("button", { name: "Rename" }).click();
  await list.getByText("Weather").waitFor();

  // What was taken out can be brought back.
  await imported(app, Buffer.from(JSON.stringify(json)));
  await list.getByText("Bread").waitFor();
  await app.articles.last().getByText("Flour").waitFor();
  assert.equal(await app.reply(), "Flour, water, salt.");
});

test("a draft and its settings stay", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.start.waitFor();
  await app.message.fill("Half a thou");
  await app.settings({ "System prompt": "Be kind.", "Top K": 40 });
  await app.page.reload();
  await app.start.waitFor();
  assert.equal(await app.message.inputValue(), "Half a thou");
  await app.page
    .getByRole("button", { name: "Settings of this conversation" })
    .click();
  assert.equal(
    await app.page.getByLabel("System prompt").inputValue(),
    "Be kind.",
  );
  assert.equal(await app.page.getByLabel("Top K").inputValue(), "40");
});

test("files that are no archive are refused", LIMIT, async (t) => {
  const { app } = await stage(t, wide);
  const valid = JSON.parse(archive(conversation("A", "B")).toString());
  const bad = [
    "{",
    "[]",
    JSON.stringify({ ...valid, version: 2 }),
    JSON.stringify({ ...valid, conversations: { length: 3 } }),
    JSON.stringify({
      ...valid,
      conversations: [{ messages: [{ role: "system", content: "x" }] }],
    }),
    JSON.stringify({
      ...valid,
      conversations: [{ messages: [{ role: "user", content: 1 }] }],
    }),
  ];
  for (const text of bad) {
    await imported(app, Buffer.from(text));
    await app.page.getByText("Code: bad_import").waitFor();
    assert.equal(await app.articles.count(), 0);
    await imported(app, archive(conversation("Good", "Fine.")));
    await app.page.getByText("Code: bad_import").waitFor({ state: "hidden" });
    await app.articles.last().getByText("Fine.").waitFor();
    await app.fresh.click();
  }
});

test("hostile text stays text, and fetches nothing", LIMIT, async (t) => {
  const { app, requests, complaints, server } = await stage(t, wide);
  const { page } = app;
  const reply = [
    '<img src=https://example.invalid/a.png onerror="window.hurt=1">',
    "![pixel](https://example.invalid/b.png)",
    "[go](javascript:window.hurt=2) [data](data:text/html,<script>window.hurt=3</script>)",
    "<script>window.hurt=4</script><style>body{display:none}</style><iframe src=https://example.invalid/c></iframe>",
    "<svg onload=window.hurt=5><a xlink:href=javascript:window.hurt=6>x</a></svg>",
    "[ref]: https://example.invalid/d 'window.hurt=7'",
    '[ok](https://example.invalid/page "title") and <https://example.invalid/auto>',
    "```\n</code></pre><script>window.hurt=8</script>\n```",
    `${"[".repeat(5000)}${"*_".repeat(5000)}`,
    `> `.repeat(100) + "deep",
  ].join("\n\n");
  await imported(
    app,
    archive(
      conversation("<b onclick=window.hurt=9>T</b>", reply),
      conversation("Nested", "> ".repeat(20_000) + "bottom"),
      conversation("Long", "*a_ [b](c ".repeat(50_000) + "end"),
      conversation("Formulas", "\\(".repeat(45_000) + " sum"),
      conversation("Prices", "$a *b ".repeat(16_000) + " total"),
    ),
  );
  await app.articles.last().getByText("deep").waitFor();
  await page.waitForTimeout(500);
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  assert.deepEqual(
    requests.filter((url) => new URL(url).origin !== server.origin),
    [],
  );
  assert.deepEqual(complaints, []);
  const links = await page
    .locator("article a")
    .evaluateAll((all) =>
      all.map(({ href, rel, target }) => [href, rel, target]),
    );
  assert.ok(links.length >= 3);
  for (const [href, rel, target] of links) {
    assert.match(href, /^https:\/\/example\.invalid\//);
    assert.match(rel, /noopener/);
    assert.match(rel, /noreferrer/);
    assert.equal(target, "_blank");
  }
  const tags = await page
    .locator("article")
    .last()
    .locator("img,script,style,iframe,svg:not(.icon),object,embed")
    .count();
  assert.equal(tags, 0);
  for (const [title, last] of [
    ["Nested", "bottom"],
    ["Long", "end"],
    ["Formulas", "sum"],
    ["Prices", "total"],
  ]) {
    await page.getByRole("button", { name: title, exact: true }).click();
    await app.articles.last().getByText(last).waitFor();
  }
});
