// WebKitGTK in a view of a phone's size whose profile outlives it; webkit-view.py is the view.

import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const VIEW = join(dirname(fileURLToPath(import.meta.url)), "webkit-view.py");
/** The system's: the bindings of GTK are no packages of pip. */
const PYTHON = process.env.SMIDGEN_PYTHON ?? "/usr/bin/python3";

export async function open({ profile, phone }) {
  const args = [VIEW, "--profile", profile];
  if (phone) args.push("--size", `${phone.width}x${phone.height}`);
  if (phone?.userAgent) args.push("--user-agent", phone.userAgent);
  const [program, all] = process.env.DISPLAY
    ? [PYTHON, args]
    : ["xvfb-run", ["-a", PYTHON, ...args]];
  const child = spawn(program, all, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  const waiting = new Map();
  let count = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, value, error } = JSON.parse(line);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value ?? undefined);
    else reject(new Error(error));
  });
  void ended.then((code) => {
    for (const { reject } of waiting.values())
      reject(new Error(`the view ended with ${code}`));
    waiting.clear();
  });
  // What was asked of a view that has just ended shows as its end.
  child.stdin.on("error", () => {});
  const ask = (what) =>
    new Promise((resolve, reject) => {
      const id = (count += 1);
      waiting.set(id, { resolve, reject });
      child.stdin.write(`${JSON.stringify({ id, ...what })}\n`);
    });
  return {
    goto: (url) => ask({ do: "goto", url }),
    evaluate: (expression) => ask({ do: "evaluate", expression }),
    picture: (path) => ask({ do: "picture", path }),
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
