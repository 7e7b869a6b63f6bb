// The page as an installed thing: isolation on a plain host, updates that wait for the reply, manifest, accessibility.

import assert from "node:assert/strict";
import { appendFile, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import {
  browse,
  LIMIT,
  profileFolder,
  serve,
  SLOW,
  stage,
  visit,
  WWW,
} from "./app/stage.mjs";

test("a plain host: the service worker isolates the page", LIMIT, async (t) => {
  const { server, browser, app, requests } = await stage(t, {
    server: { isolated: false },
  });
  await app.page.waitForFunction(() => crossOriginIsolated, null, SLOW);
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 8 });
  assert.notEqual(await app.ask("Say hello."), "");
  // One reload, not one at every visit.
  const again = await visit(browser, server);
  requests.length = 0;
  await again.ready();
  assert.equal(await again.page.evaluate(() => crossOriginIsolated), true);
  assert.deepEqual(
    requests.filter((url) => url === `${server.origin}/`),
    [],
  );
});

test(
  "a new version is offered after the reply, never within it",
  LIMIT,
  async (t) => {
    const folder = await makeFolder("www");
    t.after(() => removeFolder(folder));
    await cp(WWW, folder, { recursive: true });
    const { app } = await stage(t, { server: { mounts: { "/": folder } } });
    await app.load();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 300 });
    await app.message.fill("Write a story about a fox.");
    await app.send.click();
    await app.page.locator(".markdown").waitFor(SLOW);
    await appendFile(join(folder, "sw.js"), "\n// next\n");
    await app.page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      await registration.update();
      while (!registration.waiting)
        await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const offer = app.page.getByText("A new version of this page is ready.");
    assert.ok(await app.stop.isVisible(), "the reply ended too early");
    assert.equal(await offer.count(), 0);
    await app.finished();
    await offer.waitFor();
    const reply = await app.reply();
    await Promise.all([
      app.page.waitForEvent("load"),
      app.page.getByRole("button", { name: "Restart now" }).click(),
    ]);
    await app.ready();
    assert.equal(await app.reply(), reply);
    const waiting = await app.page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      return registration.waiting !== null;
    });
    assert.equal(waiting, false);
  },
);

test("after an update the new engine is there offline", LIMIT, async (t) => {
  const folder = await makeFolder("www");
  t.after(() => removeFolder(folder));
  await cp(WWW, folder, { recursive: true });
  const { app, requests, server } = await stage(t, {
    server: { mounts: { "/": folder } },
  });
  await app.load();
  const used = new URL(requests.find((url) => url.endsWith(".wasm"))).pathname;
  const renamed = used.replace(/\.[^.]+\.wasm$/, ".next.wasm");
  await cp(join(folder, used), join(folder, renamed));
  const sw = join(folder, "sw.js");
  const source = await readFile(sw, "utf8");
  assert.ok(source.includes(used.slice(1)));
  await writeFile(sw, source.replaceAll(used.slice(1), renamed.slice(1)));
  await app.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration.update();
  });
  await app.page.getByRole("button", { name: "Restart now" }).click(SLOW);
  await app.page.waitForEvent("load");
  await app.ready();
  const kept = await app.page.evaluate(async () => {
    const cache = await caches.open("smidgen-flavour");
    return (await cache.keys()).map(({ url }) => new URL(url).pathname);
  });
  assert.deepEqual(kept, [renamed]);
  assert.ok(server.count(renamed) === 1);
});

test("installable, and only from its own host", LIMIT, async (t) => {
  const { app, browser, server } = await stage(t);
  await app.start.waitFor();
  const cdp = await browser.newCDPSession(app.page);
  const { installabilityErrors } = await cdp.send(
    "Page.getInstallabilityErrors",
  );
  assert.deepEqual(installabilityErrors, []);
  const { errors, data } = await cdp.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  assert.equal(manifest.id, "/");
  assert.equal(manifest.share_target.method, "POST");
  assert.deepEqual(manifest.file_handlers[0].accept, {
    "application/octet-stream": [".gguf"],
  });
  assert.equal(manifest.shortcuts.length, 2);
  const sizes = manifest.icons.map(({ sizes, purpose }) => [sizes, purpose]);
  assert.deepEqual(sizes, [
    ["192x192", "any"],
    ["512x512", "any"],
    ["512x512", "maskable"],
  ]);
  for (const { src } of manifest.icons) {
    const response = await app.page.request.get(`${server.origin}/${src}`);
    assert.equal(response.headers()["content-type"], "image/png");
  }
  const html = await readFile(join(WWW, "index.html"), "utf8");
  const policy =
    /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(html)[1];
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval';/);
  assert.match(policy, /worker-src 'self';/);
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)[^>]*>/);
  assert.doesNotMatch(html, /\b(src|href)="(\/|https?:)/);
  const policyHeld = await app.page.evaluate(() => {
    const script = document.createElement("script");
    try {
      script.textContent = "window.injected = true";
    } catch {
      // Trusted Types; where there are none the policy refuses to run it.
      script.append("window.injected = true");
    }
    document.body.append(script);
    return window.injected === undefined;
  });
  assert.ok(policyHeld, "an inline script ran");
});

test(
  "the first visit: small, from its own host, installable anywhere",
  LIMIT,
  async (t) => {
    const { app, requests, server } = await stage(t);
    await app.start.waitFor();
    const first = [...new Set(requests)].filter(
      (url) => !/\/(sw|worker|thread|self-test)[^/]*\.js$/.test(url),
    );
    let size = 0;
    for (const url of first) {
      assert.ok(url.startsWith(server.origin), url);
      const { pathname } = new URL(url);
      if (pathname.startsWith("/models/")) continue;
      const name = pathname === "/" ? "/index.html" : pathname;
      size += brotliCompressSync(await readFile(join(WWW, name))).length;
    }
    t.diagnostic(`the shell: ${first.length} files, ${size} bytes brotli`);
    assert.ok(size < 150_000, `${size} bytes for the first paint`);
    // All that the service worker keeps at once, but the engine: its worker and glue.
    const kept = await app.page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      const names = await caches.keys();
      const cache = await caches.open(
        names.find((name) => /precache/.test(name)),
      );
      return (await cache.keys()).map(({ url }) => new URL(url).pathname);
    });
    assert.ok(kept.length > 10);
    assert.deepEqual(
      kept.filter((path) => /\.wasm$|extra-|cmaps|ocr/.test(path)),
      [],
    );
    let all = 0;
    for (const path of kept)
      if (!/(worker|thread|smidgen)-/.test(path))
        all += brotliCompressSync(await readFile(join(WWW, path))).length;
    t.diagnostic(`kept for offline besides the engine: ${all} bytes brotli`);
    assert.ok(all < 150_000, `${all} bytes are precached`);
  },
);

/** Counts, in the page, what a reply that streams makes it do; speed itself is `cargo xtask bench-app`'s. */
function watchDrawing() {
  const seen = { frames: 0, draws: 0, finishedBlocksDrawn: 0, cleaned: [] };
  window.drawing = seen;
  const frame = () => {
    seen.frames += 1;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (source, type) {
    seen.cleaned.push(String(source).length);
    return parse.call(this, source, type);
  };
  const streaming = () => document.querySelector('[aria-label="Stop"]');
  new MutationObserver((records) => {
    const text = document.querySelector(".markdown");
    if (!text || !streaming()) return;
    const blocks = [...text.children];
    const drawn = records.filter(({ target }) => text.contains(target));
    if (drawn.length > 0) seen.draws += 1;
    // A block that begins may end the one before it in the same frame.
    for (const { target } of drawn) {
      const block = blocks.findIndex((block) => block.contains(target));
      if (block >= 0 && block < blocks.length - 2)
        seen.finishedBlocksDrawn += 1;
    }
  }).observe(document.body, {
    subtree: true,
    childList: true,
    characterData: true,
  });
}

test(
  "while a reply streams a frame costs one block, however long the reply",
  LIMIT,
  async (t) => {
    const { app } = await stage(t);
    const { page } = app;
    await app.load();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 250 });
    await page.evaluate(watchDrawing);
    await app.ask("Write a story about a fox.");
    const { seen, blocks } = await page.evaluate(() => ({
      seen: window.drawing,
      blocks: [...document.querySelectorAll(".markdown > .block")].map(
        (block) => block.innerHTML.length,
      ),
    }));
    const { frames, draws, finishedBlocksDrawn, cleaned } = seen;
    t.diagnostic(
      `${blocks.length} blocks, ${draws} draws in ${frames} frames, ${cleaned.length} cleanings`,
    );
    assert.ok(blocks.length > 3, `${blocks.length} blocks are too few to tell`);
    assert.ok(draws > 10 && draws <= frames, `${draws} in ${frames} frames`);
    assert.equal(finishedBlocksDrawn, 0);
    // A block is cleaned while it is the last, and never again; with it goes a little around it.
    const longest = Math.max(...blocks) + 200;
    assert.ok(cleaned.length <= draws + 2 * blocks.length);
    assert.deepEqual(
      cleaned.filter((length) => length > longest),
      [],
    );
  },
);

test("by keyboard alone", LIMIT, async (t) => {
  const { app } = await stage(t, {
    browser: { viewport: { width: 1280, height: 800 } },
  });
  const { page } = app;
  await app.start.waitFor();
  await app.start.focus();
  await page.keyboard.press("Enter");
  await app.ready();
  await page.keyboard.press("Tab");
  await app.message.focus();
  await page.keyboard.type("Write a long story");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("about a fox.");
  await page.keyboard.press("Enter");
  await page.locator(".markdown").waitFor(SLOW);
  await page.keyboard.press("Escape");
  await page.getByText("Stopped", { exact: true }).waitFor();
  assert.equal(
    await app.articles.first().locator(".bubble").innerText(),
    "Write a long story\nabout a fox.",
  );
  const focused = await page.evaluate(() => document.activeElement.id);
  assert.equal(focused, "composer");
  // What a dialog opened from gets the focus back.
  await app.model.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Model details").waitFor();
  await page.keyboard.press("Escape");
  assert.ok(
    await app.model.evaluate((node) => node === document.activeElement),
  );
});

test(
  "over plain http from another machine it still chats",
  LIMIT,
  async (t) => {
    const server = await serve(t);
    const { browser } = await browse(t, await profileFolder(t), {
      args: ["--host-resolver-rules=MAP phone.example 127.0.0.1"],
    });
    const origin = server.origin.replace("127.0.0.1", "phone.example");
    const app = await visit(browser, { origin });
    assert.equal(await app.page.evaluate(() => isSecureContext), false);
    await app.load();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 8 });
    assert.notEqual(await app.ask("Say hello."), "");
    await app.page.reload();
    await app.ready();
    assert.equal(await app.articles.count(), 2);
  },
);
