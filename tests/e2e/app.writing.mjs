// What a conversation can be beyond question and answer: formulas and colours, versions, going on, drafts, exports.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import {
  archive,
  imported,
  LIMIT,
  SLOW,
  stage,
  violations,
} from "./app/stage.mjs";

const wide = { browser: { viewport: { width: 1280, height: 800 } } };

const REPLY = String.raw`Euler: $e^{i\pi} + 1 = 0$, it costs $5 or $6.

$$\sum_{k=1}^n k = \frac{n(n+1)}{2}$$

And \(a \neq b\), while $\href{javascript:alert(1)}{x}$ stays text.

${"```"}python
def add(a, b):
    return a + b  # "sum"
${"```"}
`;

test("formulas become MathML, code gets colours", LIMIT, async (t) => {
  const { app, requests, complaints } = await stage(t, wide);
  const { page } = app;
  await app.start.waitFor();
  const extras = () => requests.filter((url) => /\/extra-/.test(url));
  assert.deepEqual(extras(), [], "nothing of it is part of the first visit");
  await imported(
    app,
    archive({
      title: "Sums",
      messages: [
        { role: "user", content: "Sums?" },
        { role: "assistant", content: REPLY },
      ],
    }),
  );
  const reply = app.articles.last();
  await reply.locator("math").nth(2).waitFor(SLOW);
  assert.equal(await reply.locator("math").count(), 3);
  assert.equal(await reply.locator('math[display="block"] mfrac').count(), 1);
  // Prices and links are no formulas.
  await reply.getByText("it costs $5 or $6.").waitFor();
  assert.equal(await reply.locator("[href]").count(), 0);
  await reply.locator(".hljs-keyword").first().waitFor(SLOW);
  assert.equal(
    (await reply.locator(".code code").innerText()).trim(),
    'def add(a, b):\n    return a + b  # "sum"',
  );
  assert.equal(await reply.locator("[style]").count(), 0);
  assert.deepEqual(await violations(page), []);
  assert.equal(extras().length, 2);
  assert.deepEqual(complaints, []);
});

test("markup from nowhere else gets into the page", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.start.waitFor();
  const refused = await app.page.evaluate(() => {
    const results = {};
    const attempt = (name, work) => {
      try {
        work();
        results[name] = "allowed";
      } catch (error) {
        results[name] = error.name;
      }
    };
    attempt("innerHTML", () => {
      document.createElement("div").innerHTML = "<b>x</b>";
    });
    attempt("worker", () => new Worker("https://example.invalid/x.js"));
    attempt("policy", () => trustedTypes.createPolicy("another", {}));
    return results;
  });
  assert.deepEqual(refused, {
    innerHTML: "TypeError",
    worker: "TypeError",
    policy: "TypeError",
  });
});

test("versions, going on, and both over a reload", LIMIT, async (t) => {
  const { app } = await stage(t, wide);
  const { page } = app;
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 12 });
  const first = await app.ask("Name some colours.");
  await page.getByText("Length limit reached").waitFor();

  // Goes on in the same message, with what was there.
  await page.getByRole("button", { name: "Continue this reply" }).click();
  await page.waitForFunction(
    (length) =>
      document.querySelector("article:last-of-type") &&
      [...document.querySelectorAll("article .markdown")].at(-1).innerText
        .length > length,
    first.length,
    SLOW,
  );
  await app.finished();
  const longer = await app.reply();
  assert.ok(longer.startsWith(first.slice(0, -2)), `${first} → ${longer}`);
  assert.equal(await app.articles.count(), 2);

  // Asked otherwise: the old version is a step away.
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByLabel("Edit your message").fill("Name some animals.");
  await page.getByLabel("Edit your message").press("Control+Enter");
  await app.articles.first().getByText("Name some animals.").waitFor();
  await app.finished();
  const animals = await app.reply();
  const versions = app.articles
    .first()
    .getByRole("group", { name: "Versions" });
  await versions.getByText("2/2").waitFor();
  await versions.getByRole("button", { name: "Version before" }).click();
  await app.articles.first().getByText("Name some colours.").waitFor();
  assert.equal(await app.reply(), longer);
  assert.deepEqual(await violations(page), []);

  await page.reload();
  await app.ready();
  await app.articles.first().getByText("Name some colours.").waitFor();
  assert.equal(await app.reply(), longer);

  // Both go into the file and come back from it.
  await page.getByRole("button", { name: /^More about/ }).click();
  const saving = page.waitForEvent("download", SLOW);
  await page.getByRole("button", { name: "Save as JSON" }).click();
  const saved = JSON.parse(await readFile(await (await saving).path(), "utf8"));
  await page.keyboard.press("Escape");
  assert.deepEqual(
    saved.conversations[0].messages.map(({ parent }) => parent),
    [null, 0, null, 2],
  );
  await imported(app, archive({ ...saved.conversations[0], title: "Again" }));
  await page.getByRole("button", { name: "Again", exact: true }).waitFor();
  await app.articles.first().getByText("Name some animals.").waitFor();
  assert.equal(await app.reply(), animals);
  await versions.getByRole("button", { name: "Version before" }).click();
  await app.articles.first().getByText("Name some colours.").waitFor();
});

test("a draft stays with its conversation", LIMIT, async (t) => {
  const { app } = await stage(t, wide);
  const { page } = app;
  await app.start.waitFor();
  await app.message.fill("Half a thought");
  await page.reload();
  await app.start.waitFor();
  assert.equal(await app.message.inputValue(), "Half a thought");
  await imported(
    app,
    archive({
      title: "Other",
      messages: [{ role: "user", content: "Hello" }],
    }),
  );
  await page.getByText("Hello", { exact: true }).waitFor();
  assert.equal(await app.message.inputValue(), "");
  await app.message.fill("Another thought");
  await app.fresh.click();
  assert.equal(await app.message.inputValue(), "Half a thought");
  await page.getByRole("button", { name: "Other", exact: true }).click();
  assert.equal(await app.message.inputValue(), "Another thought");
});

test(
  "a long conversation goes on without its oldest messages",
  LIMIT,
  async (t) => {
    const { app } = await stage(t, wide);
    await app.load();
    const long = "The cat sat on the mat and looked at the moon. ".repeat(30);
    const messages = Array.from({ length: 10 }, (_, at) => ({
      role: at % 2 ? "assistant" : "user",
      content: `${at}. ${long}`,
    }));
    await imported(app, archive({ title: "Long", messages }));
    await app.page.getByText(/^8\. /).waitFor();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 8 });
    await app.ask("And now?");
    await app.articles.last().getByText("tok/s").click();
    await app.articles
      .last()
      .getByText(/^older messages left out: [4-9]$/)
      .waitFor();
    await app.articles
      .last()
      .getByText(/of 2,048 tokens of context/)
      .waitFor();
  },
);
