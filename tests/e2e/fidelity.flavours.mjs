// Each flavour's distributions over English text against the same weights computed in f32: perplexity, KL, top-1.
//
// The f32 computation is the native reference, whose distributions `smidgen perplexity --save-logits` writes once.
// SMIDGEN_FULL=1 compares 8,493 tokens and takes minutes; otherwise one window of the same text.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { browse, LIMIT, MODEL, ROOT, serve, visit } from "./package/stage.mjs";

const FULL = Boolean(process.env.SMIDGEN_FULL);
const CONTEXT = 512;
const FROM = 64;
const WINDOWS = FULL ? 19 : 1;

// What the project promises of its demo model. One window is too little text for a mean to settle.
const KL = FULL ? 0.004 : 0.006;
const TOP_1 = FULL ? 0.97 : 0.96;
const PERPLEXITY = FULL ? 0.005 : 0.02;

const CACHE = join(ROOT, ".cache/fidelity");
const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Alice's Adventures in Wonderland (public domain), which the crate `deflate` carries for its own tests. */
async function text() {
  const path = join(CACHE, "alice.txt");
  if (await exists(path)) return path;
  const crate = join(CACHE, "crate");
  await mkdir(join(crate, "src"), { recursive: true });
  await writeFile(join(crate, "src/lib.rs"), "");
  await writeFile(
    join(crate, "Cargo.toml"),
    `[package]\nname = "text"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ndeflate = "=0.7.20"\n[workspace]\n`,
  );
  const metadata = JSON.parse(
    execFileSync("cargo", ["metadata", "--format-version", "1"], {
      cwd: crate,
      maxBuffer: 1 << 26,
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  const found = metadata.packages.find(({ name }) => name === "deflate");
  await copyFile(join(dirname(found.manifest_path), "tests/pg11.txt"), path);
  return path;
}

/** The reference's distributions over the text. */
async function logits() {
  const path = join(CACHE, `reference-${WINDOWS}.logits`);
  const { mtimeMs } = await stat(MODEL);
  const old = await stat(path).catch(() => undefined);
  if (old && old.mtimeMs > mtimeMs) return path;
  const words = `run --release --features cli --bin smidgen -- perplexity`;
  const part = join(CACHE, `reference-${WINDOWS}.new`);
  execFileSync(
    "cargo",
    [
      ...words.split(" "),
      MODEL,
      await text(),
      ...["--context", CONTEXT, "--from", FROM, "--windows", WINDOWS].map(
        String,
      ),
      ...["--save-logits", part],
    ],
    { cwd: ROOT, stdio: "inherit" },
  );
  await rename(part, path);
  return path;
}

for (const flavour of ["simd128", "relaxed"]) {
  test(
    `${flavour}: the demo model computes what f32 computes`,
    {
      ...LIMIT,
      timeout: 3_600_000,
    },
    async (context) => {
      const server = await serve({
        mounts: {
          "/fidelity/": join(ROOT, "tests/e2e/fidelity"),
          "/reference.logits": await logits(),
        },
      });
      context.after(() => server.stop());
      const { browser } = await browse(context);
      const page = await visit(browser, server, "/fidelity/index.html");
      const answer = await page.evaluate((job) => window.measure(job), {
        flavour,
        model: "/models/model.gguf",
        logits: "/reference.logits",
      });
      const perplexity = Math.exp(answer.nll / answer.tokens);
      const reference = Math.exp(answer.referenceNll / answer.tokens);
      const change = perplexity / reference - 1;
      const kl = answer.kl / answer.tokens;
      const top1 = answer.agreed / answer.tokens;
      console.log(
        `${flavour}: ${answer.tokens} tokens, perplexity ${perplexity.toFixed(4)} (f32 ${reference.toFixed(4)}, ` +
          `${(100 * change).toFixed(3)} %), KL ${kl.toFixed(5)}, top-1 ${(100 * top1).toFixed(2)} %, ` +
          `mean |Δ log p| ${(answer.difference / answer.tokens).toFixed(4)}, largest ${answer.maxDifference.toFixed(3)}, ` +
          `${answer.seconds.toFixed(0)} s`,
      );
      assert.equal(answer.flavour, flavour);
      assert.equal(answer.tokens, WINDOWS * (CONTEXT - 1 - FROM));
      assert.ok(Math.abs(change) <= PERPLEXITY, `perplexity ${change}`);
      assert.ok(kl <= KL, `KL ${kl}`);
      assert.ok(top1 >= TOP_1, `top-1 ${top1}`);
    },
  );
}
