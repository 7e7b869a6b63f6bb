// The text that fidelity is measured over, and the f32 computation of it that everything is compared with.

import { execFileSync } from "node:child_process";
import { copyFile, mkdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { browse, MODEL, ROOT, serve, visit } from "../package/stage.mjs";

export const CONTEXT = 512;
/** The first position of a window that counts. */
export const FROM = 64;

const CACHE = join(ROOT, ".cache/fidelity");
const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Alice's Adventures in Wonderland (public domain), which the crate `deflate` carries for its own tests. */
export async function text() {
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

/** The demo model's distributions over the first windows of the text, computed natively in f32. */
export async function logits(windows) {
  const path = join(CACHE, `reference-${windows}.logits`);
  const { mtimeMs } = await stat(MODEL);
  const old = await stat(path).catch(() => undefined);
  if (old && old.mtimeMs > mtimeMs) return path;
  const words = `run --release --features cli --bin smidgen -- perplexity`;
  const part = join(CACHE, `reference-${windows}.new`);
  execFileSync(
    "cargo",
    [
      ...words.split(" "),
      MODEL,
      await text(),
      ...["--context", CONTEXT, "--from", FROM, "--windows", windows].map(
        String,
      ),
      ...["--save-logits", part],
    ],
    { cwd: ROOT, stdio: ["ignore", 2, 2] },
  );
  await rename(part, path);
  return path;
}

/**
 * What a flavour computes of `model` (a path; the demo model by default) beside that: means over all positions.
 * `context.after` takes what is to be closed.
 */
export async function measure(context, { flavour, model = MODEL, windows }) {
  const server = await serve({
    mounts: {
      "/fidelity/": join(ROOT, "tests/e2e/fidelity"),
      "/reference.logits": await logits(windows),
      "/measured.gguf": model,
    },
  });
  context.after(() => server.stop());
  const { browser } = await browse(context);
  const page = await visit(browser, server, "/fidelity/index.html");
  const sums = await page.evaluate((job) => window.measure(job), {
    flavour,
    model: "/measured.gguf",
    logits: "/reference.logits",
  });
  const mean = (sum) => sum / sums.tokens;
  return {
    flavour: sums.flavour,
    parameters: sums.parameters,
    tokens: sums.tokens,
    perplexity: Math.exp(mean(sums.nll)),
    referencePerplexity: Math.exp(mean(sums.referenceNll)),
    kl: mean(sums.kl),
    top1: mean(sums.agreed),
    meanDifference: mean(sums.difference),
    maxDifference: sums.maxDifference,
    seconds: sums.seconds,
  };
}
