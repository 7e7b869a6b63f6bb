// Faults one by one in Chromium, on a small real model: damage, full devices, several tabs, twins, revisions, eviction, blocked storage, older stores.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { random, tinyModel } from "./cache-faults/model.mjs";
import { FaultServer, Site } from "./cache-faults/server.mjs";
import { inPage } from "./cache-faults/tab.mjs";
import { browse } from "./package/stage.mjs";

const CHUNK = 256 * 1024;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A scene that takes long: with `--full`. */
const slow = (...scene) => process.env.SMIDGEN_FULL && test(...scene);

for (const storage of ["opfs", "indexeddb"]) {
  describe(`a cache that loses nothing: ${storage}`, { timeout: 600_000 }, () =>
    scenes(storage),
  );
}

function scenes(storage) {
  /** A scene in which the place of the chunks matters little: with `--full` over every back end. */
  const once = storage === "opfs" ? test : slow;
  const slowOnce = storage === "opfs" ? slow : () => {};

  let server;
  let bodies;
  before(async () => {
    server = await new FaultServer().start();
    bodies = await Promise.all([tinyModel(1), tinyModel(2)]);
  });
  after(() => server.stop());

  let sites = 0;
  /** A site that serves the model well, a browser, and its page. */
  async function scene(context, options = {}) {
    const revisions = bodies.map((body, index) => ({
      body,
      etag: `"revision-${index + 1}"`,
    }));
    const site = new Site({
      ...{ seed: 1, revisions, origin: "same", ranges: true },
      ...{ faults: [], budget: 0 },
      ...options.site,
    });
    const { origin, url } = server.add(`scene-${++sites}`, site);
    const { browser } = await browse(context, options);
    const page = await visit(browser, origin);
    return { site, origin, url, browser, page };
  }

  async function visit(browser, origin) {
    const page = await browser.newPage();
    await page.goto(`${origin}/index.html`);
    await page.waitForFunction(() => window.ready);
    return page;
  }

  /** Bytes that `work` makes the server send. */
  async function sentBy(site, work) {
    const before = site.sent;
    const value = await work();
    return [site.sent - before, value];
  }

  const load = (page, source, options = {}) =>
    page.evaluate(
      ([source, options]) =>
        load(source, options).then(
          ({ info, warnings }) => ({
            fromCache: info.fromCache,
            cached: info.cached,
            codes: warnings.map(({ code }) => code),
            messages: warnings.map(({ message }) => message),
          }),
          ({ code, message }) => ({ code, message }),
        ),
      [source, { storage, ...options }],
    );
  const stored = (page, url) => page.evaluate(inPage.stored, url);
  const chat = (page) => page.evaluate(inPage.chat);
  const list = (page) => page.evaluate(inPage.list);
  const estimate = (page, source) =>
    page.evaluate((source) => Smidgen.models.estimate(source), source);

  /** Changes chunks behind the package's back: `change(bytes, index)` gives the new ones, or undefined to delete. */
  const tamper = (page, url, indices, change) =>
    page.evaluate(
      async ([url, indices, source, storage]) => {
        const change = new Function(`return ${source}`)();
        const wait = (request) =>
          new Promise((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
          });
        const database = await wait(indexedDB.open("smidgen"));
        const stores = () =>
          database.transaction(["complete", "chunks"], "readwrite");
        const chunks = () => stores().objectStore("chunks");
        const places = {
          indexeddb: async () => ({
            get: async (name) =>
              new Blob([await wait(chunks().get(name))]).arrayBuffer(),
            put: (name, bytes) => wait(chunks().put(bytes.buffer, name)),
            delete: (name) => wait(chunks().delete(name)),
          }),
          opfs: async () => {
            const root = await navigator.storage.getDirectory();
            const folder = await root.getDirectoryHandle("smidgen");
            return {
              get: async (name) =>
                (
                  await (await folder.getFileHandle(name)).getFile()
                ).arrayBuffer(),
              put: async (name, bytes) => {
                const file = await folder.getFileHandle(name);
                const writable = await file.createWritable();
                await writable.write(bytes);
                await writable.close();
              },
              delete: (name) => folder.removeEntry(name),
            };
          },
        };
        const place = await places[storage]();
        const record = await wait(stores().objectStore("complete").get(url));
        for (const index of indices) {
          const { sha256 } = record.chunks[index];
          const bytes = new Uint8Array(await place.get(sha256));
          const changed = change(bytes, index);
          if (changed) await place.put(sha256, changed);
          else await place.delete(sha256);
        }
        database.close();
        return record.chunks.map(({ bytes }) => bytes);
      },
      [url, indices, String(change), storage],
    );

  const quota = async (browser, page, bytes) => {
    const session = await browser.newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", {
      origin: new URL(page.url()).origin,
      ...(bytes === undefined ? {} : { quotaSize: bytes }),
    });
    return session;
  };

  test("any chunk that is flipped, cut or gone comes again alone", async (context) => {
    const { site, url, page } = await scene(context);
    assert.equal((await load(page, url)).cached, true);
    const ids = await chat(page);
    const next = random(7);
    const changes = [
      (bytes) => {
        bytes[(bytes.length * 5) >> 3] ^= 16;
        return bytes;
      },
      (bytes) => bytes.slice(0, -1),
      () => undefined,
    ];
    const count = Math.ceil(bodies[0].length / CHUNK);
    for (let round = 0; round < 2 * count; round++) {
      const index = round % count;
      const change = changes[Math.floor(next() * changes.length)];
      const sizes = await tamper(page, url, [index], change);
      const [sent, loaded] = await sentBy(site, () => load(page, url));
      assert.deepEqual(loaded.codes, ["storage_corrupt"]);
      assert.equal(sent, sizes[index], `chunk ${index}`);
    }
    const [sent, loaded] = await sentBy(site, () => load(page, url));
    assert.equal(sent, 0);
    assert.equal(loaded.fromCache, true);
    assert.equal(await stored(page, url), sha256(bodies[0]));
    assert.deepEqual(await chat(page), ids);
  });

  once(
    "a bad chunk while the server is gone costs that chunk and no other",
    async (context) => {
      const { site, url, page } = await scene(context);
      await load(page, url);
      await tamper(page, url, [3], (bytes) => bytes.fill(1));
      site.down = true;
      const failed = await load(page, url);
      assert.equal(failed.code, "download_network");
      const byId = await load(page, { id: url });
      assert.equal(byId.code, "model_not_stored");
      site.down = false;
      const [sent, loaded] = await sentBy(site, () => load(page, url));
      assert.equal(loaded.cached, true);
      assert.equal(sent, CHUNK);
      assert.equal(await stored(page, url), sha256(bodies[0]));
    },
  );

  once(
    "a bad chunk that the server no longer has: the new file comes whole",
    async (context) => {
      const { site, url, page } = await scene(context);
      await load(page, url);
      // The last layer's, in which the revisions differ.
      await tamper(page, url, [9], (bytes) => bytes.fill(1));
      site.revision = 1;
      const loaded = await load(page, url);
      assert.equal(loaded.cached, true);
      assert.equal(await stored(page, url), sha256(bodies[1]));
    },
  );

  for (const tabs of [2, 5]) {
    once(
      `${tabs} tabs at once fetch the file once, also when the one that fetches is closed`,
      async (context) => {
        const { site, origin, url, browser, page } = await scene(context, {
          site: { delay: 3 },
        });
        const pages = [page];
        while (pages.length < tabs) pages.push(await visit(browser, origin));
        const half = site.after(bodies[0].length / 2);
        const first = load(page, url).catch(() => undefined);
        // It has the lock before the others ask.
        await site.after(1);
        const others = pages.slice(1).map((other) => load(other, url));
        await half;
        await page.close();
        await first;
        const loaded = await Promise.all(others);
        for (const { cached } of loaded) assert.equal(cached, true);
        assert.equal(loaded.filter(({ fromCache }) => !fromCache).length, 1);
        const talks = await Promise.all(pages.slice(1).map(chat));
        for (const ids of talks) assert.deepEqual(ids, talks[0]);
        // Nearly all of what was sent by half of the file was still on its way, on this small a file.
        const beyond = site.sent - bodies[0].length;
        assert.ok(beyond < 0.8 * bodies[0].length, `${beyond} bytes too many`);
        assert.equal(await stored(pages[1], url), sha256(bodies[0]));
      },
    );

    once(
      `${tabs} tabs at once, undisturbed, fetch no byte twice`,
      async (context) => {
        const { site, origin, url, browser, page } = await scene(context);
        const pages = [page];
        while (pages.length < tabs) pages.push(await visit(browser, origin));
        const loaded = await Promise.all(pages.map((tab) => load(tab, url)));
        for (const { cached, codes } of loaded) {
          assert.equal(cached, true);
          assert.deepEqual(codes, []);
        }
        assert.equal(site.sent, bodies[0].length);
      },
    );
  }

  test("a full device keeps what fits; with room the rest comes, and no more", async (context) => {
    const { site, url, browser, page } = await scene(context);
    const session = await quota(browser, page, 1_500_000);
    const full = await load(page, url);
    assert.deepEqual(full.codes, ["storage_quota"]);
    assert.match(full.messages[0], /free some space on the device/);
    assert.equal(full.cached, false);
    assert.ok((await chat(page)).length > 0);
    const [begun] = await list(page);
    assert.equal(begun.complete, false);
    assert.ok(begun.storedBytes > 0);
    await session.send("Storage.overrideQuotaForOrigin", {
      origin: new URL(page.url()).origin,
    });
    const [sent, loaded] = await sentBy(site, () => load(page, url));
    assert.equal(loaded.cached, true);
    assert.equal(sent, bodies[0].length - begun.storedBytes);
    assert.equal(await stored(page, url), sha256(bodies[0]));
  });

  test("other models are deleted with consent only, oldest first, pinned ones never", async (context) => {
    const { site, origin, url, browser, page } = await scene(context);
    const [a, b] = [url, `${url}?b`];
    // Room for two and a half of them. The browser heeds it only from before the first byte.
    await quota(browser, page, 7_000_000);
    await load(page, a);
    for (const revision of [3, 4]) {
      const etag = `"revision-${revision}"`;
      site.revisions.push({ body: await tinyModel(revision), etag });
    }
    site.revision = 2;
    await load(page, b);
    await page.evaluate((id) => Smidgen.models.pin(id), a);
    assert.deepEqual(
      (await list(page)).map(({ id, pinned }) => [id, pinned]),
      [
        [b, false],
        [a, true],
      ],
    );
    site.revision = 3;
    const c = `${url}?c`;
    const refused = await load(page, c);
    assert.deepEqual(refused.codes, ["storage_quota"]);
    assert.match(refused.messages[0], /delete a model you do not need \(model/);
    assert.deepEqual(
      (await list(page)).filter(({ complete }) => complete).length,
      2,
    );
    const { deletable } = await estimate(page, c);
    assert.deepEqual(
      deletable.map(({ id }) => id),
      [b],
    );
    const made = await load(page, c, { makeRoom: true });
    assert.ok(made.codes.includes("storage_made_room"), String(made.codes));
    const left = (await list(page)).map(({ id }) => id);
    assert.ok(left.includes(a), "a pinned model was deleted");
    assert.ok(!left.includes(b));
    assert.equal(await stored(page, a), sha256(bodies[0]));
    assert.ok(origin);
  });

  test("two names of one file are one copy, and the second name costs no byte", async (context) => {
    const { site, url, page } = await scene(context);
    const hash = sha256(bodies[0]);
    await load(page, { url, sha256: hash });
    const other = `${url}?other`;
    const [sent, loaded] = await sentBy(site, () =>
      load(page, { url: other, sha256: hash }),
    );
    assert.equal(sent, 0);
    assert.equal(loaded.fromCache, true);
    assert.equal((await estimate(page)).modelBytes, bodies[0].length);
    assert.equal(
      await page.evaluate((id) => Smidgen.models.delete(id), url),
      true,
    );
    assert.equal(await stored(page, other), hash);
    assert.equal((await load(page, { id: other })).fromCache, true);
  });

  test("what one back end has stored, the other finds; deleting takes it from both", async (context) => {
    const { site, url, page } = await scene(context);
    const other = storage === "opfs" ? "indexeddb" : "opfs";
    const held = () =>
      page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const folder = await root
          .getDirectoryHandle("smidgen")
          .catch(() => undefined);
        const names = [];
        for await (const name of folder?.keys() ?? []) names.push(name);
        const opening = indexedDB.open("smidgen");
        await new Promise((go) => (opening.onsuccess = go));
        const database = opening.result;
        const chunks = database.transaction("chunks").objectStore("chunks");
        const keys = chunks.getAllKeys();
        await new Promise((go) => (keys.onsuccess = go));
        database.close();
        return { opfs: names.length, indexeddb: keys.result.length };
      });
    const count = Math.ceil(bodies[0].length / CHUNK);
    await load(page, url);
    assert.deepEqual(await held(), { [storage]: count, [other]: 0 });
    const [sent, loaded] = await sentBy(site, () =>
      load(page, url, { storage: other }),
    );
    assert.equal(sent, 0);
    assert.equal(loaded.fromCache, true);
    // The part in which the revisions differ goes where the other one puts it.
    site.revision = 1;
    const twin = `${url}?twin`;
    assert.equal((await load(page, twin, { storage: other })).cached, true);
    assert.equal(await stored(page, url), sha256(bodies[0]));
    assert.equal(await stored(page, twin), sha256(bodies[1]));
    await page.evaluate((id) => Smidgen.models.delete(id), url);
    assert.equal((await load(page, twin)).fromCache, true);
    await page.evaluate((id) => Smidgen.models.delete(id), twin);
    assert.deepEqual(await held(), { opfs: 0, indexeddb: 0 });
  });

  test("a new revision shares what is equal, and replaces the old one only when it is there", async (context) => {
    const { site, url, page } = await scene(context);
    await load(page, { url, sha256: sha256(bodies[0]) });
    const wanted = { url, sha256: sha256(bodies[1]) };
    const refused = await load(page, wanted);
    assert.equal(refused.code, "sha256_mismatch");
    assert.equal(await stored(page, url), sha256(bodies[0]));
    site.revision = 1;
    const other = `${url}?other`;
    assert.equal((await load(page, other)).cached, true);
    const { modelBytes } = await estimate(page);
    assert.ok(modelBytes < 1.5 * bodies[0].length, `${modelBytes} bytes`);
    assert.equal((await load(page, wanted)).cached, true);
    assert.equal(await stored(page, url), sha256(bodies[1]));
    assert.equal((await estimate(page)).modelBytes, bodies[1].length);
  });

  once("the estimate answers before the start", async (context) => {
    const { site, url, page } = await scene(context);
    const [sent, before] = await sentBy(site, () => estimate(page, url));
    assert.equal(sent, 0);
    assert.equal(before.neededBytes, bodies[0].length);
    assert.equal(before.fits, true);
    assert.ok(before.freeBytes > 0);
    assert.deepEqual(before.deletable, []);
    await load(page, url);
    assert.equal((await estimate(page, url)).neededBytes, 0);
    site.down = true;
    assert.equal((await estimate(page, `${url}?x`)).neededBytes, undefined);
  });

  slow(
    "a file leaves one site and enters another, checked, without a byte of network",
    async (context) => {
      const one = await scene(context);
      await load(one.page, one.url);
      // As text: an array of three million numbers takes a minute to leave a page.
      const exported = await one.page.evaluate(async (id) => {
        const file = await Smidgen.models.export(id);
        const reader = new FileReader();
        await new Promise((resolve) => {
          reader.onload = resolve;
          reader.readAsDataURL(file);
        });
        return [file.name, reader.result];
      }, one.url);
      const two = await scene(context);
      const enter = (as) =>
        two.page.evaluate(
          async ([[name, data], as]) => {
            const blob = await (await fetch(data)).blob();
            return caught(Smidgen.models.import(new File([blob], name), as));
          },
          [exported, as],
        );
      const wrong = await enter({ url: two.url, sha256: "0".repeat(64) });
      assert.equal(wrong.code, "sha256_mismatch");
      assert.deepEqual(await list(two.page), []);
      const right = { url: two.url, sha256: sha256(bodies[0]) };
      assert.equal(await enter(right), undefined);
      assert.equal((await load(two.page, two.url)).fromCache, true);
      assert.equal(two.site.sent, 0);
      assert.equal(await stored(two.page, two.url), sha256(bodies[0]));
    },
  );

  slow(
    "what the browser evicts is said, and comes again; also in the middle of a load",
    async (context) => {
      const { site, origin, url, browser, page } = await scene(context);
      await load(page, url);
      const session = await browser.newCDPSession(page);
      const evict = () =>
        session.send("Storage.clearDataForOrigin", {
          origin,
          storageTypes: "all",
        });
      await evict();
      const gone = await load(page, { id: url });
      assert.equal(gone.code, "model_not_stored");
      assert.match(gone.message, /the browser has removed this site's data/);
      site.delay = 2;
      const half = site.after(bodies[0].length / 2);
      const loading = load(page, url);
      await half;
      await evict();
      const loaded = await loading;
      assert.equal(loaded.code, undefined, loaded.message);
      assert.ok((await chat(page)).length > 0);
      site.delay = 0;
      assert.equal((await load(page, url)).cached, true);
      assert.equal(await stored(page, url), sha256(bodies[0]));
    },
  );

  slowOnce(
    "blocked site data: the model works, and the user is told what to allow",
    async (context) => {
      const profile = await mkdtemp(join(tmpdir(), "smidgen-"));
      // The browser may still be writing; a folder left behind is no fault of what is tested.
      context.after(() =>
        rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(
          () => {},
        ),
      );
      await mkdir(join(profile, "Default"), { recursive: true });
      await writeFile(
        join(profile, "Default/Preferences"),
        JSON.stringify({
          profile: { default_content_setting_values: { cookies: 2 } },
        }),
      );
      const { url, page } = await scene(context, { profile });
      const loaded = await load(page, url);
      assert.equal(loaded.cached, false);
      assert.deepEqual(loaded.codes, ["storage_failed"]);
      assert.match(loaded.messages[0], /will be downloaded again next time/);
      assert.ok((await chat(page)).length > 0);
      assert.deepEqual(await list(page), []);
    },
  );

  slowOnce(
    "a server of another origin that forgets its CORS header is named, then served",
    async (context) => {
      const { site, url, page } = await scene(context, {
        site: { origin: "shown", faults: ["cors"], budget: 100 },
      });
      site.random = () => 0.9;
      const blocked = await load(page, url);
      assert.equal(blocked.code, "download_network");
      assert.match(blocked.message, /Access-Control-Allow-Origin/);
      site.budget = 0;
      assert.equal((await load(page, url)).cached, true);
    },
  );

  slow(
    "a store of an older version is taken over; one of a newer version is left alone",
    async (context) => {
      const { site, origin, url, page } = await scene(context);
      await page.evaluate(
        async ([path, id, chunkBytes, total]) => {
          const body = await (await fetch(path)).arrayBuffer();
          const chunks = [];
          const parts = [];
          for (let at = 0; at < total; at += chunkBytes) {
            const part = body.slice(at, at + chunkBytes);
            const digest = await crypto.subtle.digest("SHA-256", part);
            const sha256 = Array.from(new Uint8Array(digest), (byte) =>
              byte.toString(16).padStart(2, "0"),
            ).join("");
            chunks.push({ bytes: part.byteLength, sha256 });
            parts.push(new Blob([part]));
          }
          await new Promise((resolve, reject) => {
            const opening = indexedDB.open("smidgen", 1);
            opening.onerror = () => reject(opening.error);
            opening.onupgradeneeded = () => {
              const database = opening.result;
              const complete = database.createObjectStore("complete", {
                keyPath: "id",
              });
              database.createObjectStore("partial", { keyPath: "id" });
              const store = database.createObjectStore("chunks");
              complete.put({
                ...{ version: 1, id, name: "old", generation: "g", chunkBytes },
                ...{ chunks, totalBytes: total, createdAt: 1, lastUsedAt: 1 },
              });
              parts.forEach((part, index) => store.put(part, ["g", index]));
            };
            opening.onsuccess = () => {
              opening.result.close();
              resolve();
            };
          });
        },
        [url, url, 1_000_000, bodies[0].length],
      );
      const [sent, loaded] = await sentBy(site, () => load(page, url));
      assert.equal(sent, 0);
      assert.equal(loaded.fromCache, true);
      assert.equal(await stored(page, url), sha256(bodies[0]));
      await page.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const opening = indexedDB.open("smidgen", 99);
            opening.onerror = () => reject(opening.error);
            opening.onsuccess = () => {
              opening.result.close();
              resolve();
            };
          }),
      );
      const newer = await load(page, url);
      assert.deepEqual(newer.codes, ["storage_failed"]);
      assert.match(newer.messages[0], /reload the page/);
      assert.ok((await chat(page)).length > 0);
      assert.ok(origin);
    },
  );
}
