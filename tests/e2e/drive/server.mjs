// The server of `cargo xtask serve` as a child: what the demo and the tests show is served by the same code.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { dirname } from "node:path";

/** Path of the xtask program; `cargo xtask test` names it. */
const PROGRAM = process.env.SMIDGEN_XTASK;

/**
 * @param {{ port?: number, models?: string }} [options] `port` 0 takes any free one; `models`: folder behind /models/
 * @returns {Promise<{ origin: string, port: number, stop: () => Promise<void> }>}
 */
export async function serve({ port = 0, models } = {}) {
  if (!PROGRAM)
    throw new Error("SMIDGEN_XTASK is not set: run `cargo xtask test e2e`");
  const folder = models ?? dirname(model());
  const child = spawn(
    PROGRAM,
    ["serve", "--port", String(port), "--models", folder],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout });
  const address = await Promise.race([
    new Promise((resolve) => lines.once("line", resolve)),
    ended.then((code) => {
      throw new Error(`the server ended with ${code}`);
    }),
  ]);
  const { origin, port: taken } = new URL(address);
  return {
    origin,
    port: Number(taken),
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

/** Path of the demo model. */
export function model() {
  const path = process.env.SMIDGEN_MODEL;
  if (!path)
    throw new Error("SMIDGEN_MODEL is not set: run `cargo xtask test e2e`");
  return path;
}

/** The browsers to test in, as xtask found them; Chromium first. @type {import("./browser.mjs").Driven[]} */
export const browsers = JSON.parse(process.env.SMIDGEN_BROWSERS ?? "[]");
