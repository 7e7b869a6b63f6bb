// The app's parts that need no browser, bundled as the page bundles them: passages, search, branches, verdicts, heat.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { CATALOGUE } from "../../pkg/dist/catalogue.js";
import { WWW } from "./app/stage.mjs";

const folder = await mkdtemp(join(tmpdir(), "smidgen-parts-"));
after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

async function part(name) {
  const outfile = join(folder, `${name.replaceAll("/", "-")}.mjs`);
  await build({
    entryPoints: [join(WWW, "../src", `${name}.ts`)],
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    outfile,
    logLevel: "error",
  });
  return import(pathToFileURL(outfile));
}

test("passages hold every word, in order, none too long", async () => {
  const { passages } = await part("documents/passages");
  const words = Array.from({ length: 3000 }, (_, at) => `w${at}`);
  const text = words
    .map((word, at) => word + (at % 17 === 16 ? "." : ""))
    .join(" ");
  const found = passages(["", text, "the last page"]);
  assert.deepEqual(
    [...new Set(found.map(({ page }) => page))],
    [2, 3],
    "pages are counted from 1, empty ones have no passage",
  );
  const seen = new Set(
    found.flatMap(({ text }) => text.match(/\w+/g)).filter(Boolean),
  );
  for (const word of words) assert.ok(seen.has(word), word);
  for (const { text } of found) assert.ok(text.length <= 750, text.length);
  // What has no place to cut is cut all the same, and ends.
  const solid = passages(["文".repeat(5000) + "😀".repeat(900)]);
  assert.ok(solid.length > 5);
  for (const { text } of solid) assert.ok(text.isWellFormed(), text);
});

test("search joins meaning and words", async () => {
  const { search, wordScores } = await part("documents/search");
  const vector = (...values) => {
    const length = Math.hypot(...values);
    return new Float32Array(values.map((value) => value / length));
  };
  const passages = [
    { text: "The heron stands in the water.", vector: vector(1, 0, 0) },
    { text: "Invoice 4711 is due in May.", vector: vector(0, 1, 0) },
    { text: "Bread needs flour and salt.", vector: vector(0, 0, 1) },
  ];
  const best = (query, of) => search(query, of, passages, 1)[0].index;
  assert.equal(best("a bird by the lake", vector(1, 0.2, 0)), 0);
  // No embedding knows a number; the words do.
  assert.equal(best("4711", vector(1, 1, 1)), 1);
  // A passage of another encoder can still be found by its words.
  const other = [...passages, { text: "Zebra crossing", vector: vector(1) }];
  assert.equal(search("zebra", vector(1, 1, 1), other, 1)[0].index, 3);
  const scores = wordScores("面粉", ["面包需要面粉和盐", "天气很好"]);
  assert.ok(scores[0] > 0 && scores[1] === 0);
});

test("branches: the newest is shown unless another was chosen", async () => {
  const { linked, path, siblings } = await part("branches");
  const message = (id, parent) => ({ id, parent });
  const old = linked([{ id: "a" }, { id: "b" }, { id: "c" }]);
  assert.deepEqual(
    old.map(({ parent }) => parent),
    ["", "a", "b"],
  );
  const tree = [...old, message("b2", "a"), message("c2", "b2")];
  const shown = (choices) => path(tree, choices).map(({ id }) => id);
  assert.deepEqual(shown({}), ["a", "b2", "c2"]);
  assert.deepEqual(shown({ a: "b" }), ["a", "b", "c"]);
  assert.deepEqual(
    siblings(tree, "a").map(({ id }) => id),
    ["b", "b2"],
  );
  // Two that name each other are never reached, and nothing hangs.
  assert.deepEqual(path([message("x", "y"), message("y", "x")], {}), []);
  assert.equal(path([message("x", ""), message("x", "x")], {}).length, 2);
});

test("verdicts follow memory, room and speed", async () => {
  const { fit } = await part("device");
  const { memoryNeed, addressOf } = await part("catalogue");
  const device = (more) => ({
    bytesPerSecond: 8e9,
    mostMemory: 4e9,
    memoryBytes: 8e9,
    freeBytes: 100e9,
    ...more,
  });
  const [small] = CATALOGUE;
  const large = CATALOGUE.at(-1);
  const said = (model, more) => {
    const { verdict, reason } = fit(model, device(more));
    return [verdict, reason].filter(Boolean).join(" ");
  };
  assert.equal(said(small, {}), "fits");
  assert.equal(said(large, {}), "tight memory");
  assert.equal(said(large, { memoryBytes: 4e9 }), "not memory");
  assert.equal(said(large, { mostMemory: 1e9 }), "not memory");
  assert.equal(said(small, { freeBytes: 1e6 }), "not storage");
  assert.equal(said(small, { bytesPerSecond: 2e8 }), "tight slow");
  assert.equal(said(small, { memoryBytes: undefined }), "fits");
  const sizes = CATALOGUE.map(({ bytes }) => bytes);
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(CATALOGUE.map(addressOf)).size, CATALOGUE.length);
  for (const model of CATALOGUE) assert.ok(memoryNeed(model) > model.bytes);
});

test("heat is told after two slow replies, and taken back", async () => {
  const { heatWatch } = await part("care");
  const watch = heatWatch();
  assert.equal(watch(100, 20), false);
  assert.equal(watch(100, 9), false, "one slow reply may be chance");
  assert.equal(watch(5, 1), false, "a short one tells nothing");
  assert.equal(watch(100, 8), true);
  assert.equal(watch(100, 12), true, "somewhat better is not well");
  assert.equal(watch(100, 18), false);
});

test("a download's pace and what is left", async () => {
  const { pacer } = await part("download-pace");
  const pace = pacer();
  assert.equal(pace(0, 100e6, 0), undefined);
  assert.deepEqual(pace(10e6, 100e6, 2000), {
    bytesPerSecond: 5e6,
    secondsLeft: 18,
  });
  assert.equal(pace(10e6, 100e6, 20_000), undefined, "nothing has come");
  assert.equal(pace(20e6, undefined, 22_000).secondsLeft, undefined);
});

test("what names a repository of the hub", async () => {
  const { repositoryIn } = await part("hub");
  const named = "Qwen/Qwen3-0.6B-GGUF";
  for (const text of [
    named,
    ` https://huggingface.co/${named} `,
    `https://huggingface.co/${named}/tree/main`,
  ])
    assert.equal(repositoryIn(text), named, text);
  for (const text of [
    "",
    "models/x/y.gguf",
    "https://example.invalid/a/b",
    `https://huggingface.co/${named}/resolve/main/x.gguf`,
    "https://huggingface.co/only-an-owner",
    "../..//",
  ])
    assert.equal(repositoryIn(text), undefined, text);
});

test("turns: one after another, and who gives up holds nobody up", async () => {
  const { inTurn } = await part("turns");
  const said = [];
  const gate = () => {
    let open;
    const passed = new Promise((resolve) => (open = resolve));
    return { open, passed };
  };
  const patient = new AbortController().signal;
  const first = gate();
  const one = inTurn(async () => {
    said.push("one begins");
    await first.passed;
    said.push("one ends");
    throw new Error("one fails");
  }, patient);
  const impatient = new AbortController();
  const two = inTurn(async () => said.push("two"), impatient.signal);
  const three = inTurn(async () => said.push("three"), patient);
  impatient.abort();
  await assert.rejects(two, { name: "AbortError" });
  assert.deepEqual(said, ["one begins"], "three waits for one all the same");
  first.open();
  await assert.rejects(one, /one fails/);
  await three;
  assert.deepEqual(said, ["one begins", "one ends", "three"]);
  await assert.rejects(
    inTurn(async () => said.push("never"), impatient.signal),
    { name: "AbortError" },
  );
  await inTurn(async () => said.push("four"), patient);
  assert.deepEqual(said.slice(3), ["four"]);
});
