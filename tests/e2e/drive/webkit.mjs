// WebKitGTK through its WebDriver. Its sessions are ephemeral: a phone, which keeps its profile, is a view of our own.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { open as openView } from "./webkit-view.mjs";

/** A port that is free now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** One WebDriver command. https://www.w3.org/TR/webdriver/ */
async function command(base, method, path, body, signal) {
  const response = await fetch(base + path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "content-type": "application/json" },
    signal,
  });
  const { value } = await response.json();
  if (value?.error)
    throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
  return value;
}

const NAVIGATION_MS = 120_000;
const LOOK_MS = 1000;

/**
 * To `url`, until its page is complete. WebDriver's own waiting never ends now and then, as does a script that is on its
 * way to a page while another process takes the page over; so this looks, again and again.
 */
async function navigate(base, session, url) {
  const run = (script) =>
    command(
      ...[base, "POST", `${session}/execute/sync`, { script, args: [] }],
      AbortSignal.timeout(LOOK_MS),
    );
  await run("window.leaving = true;").catch(() => {});
  await command(base, "POST", `${session}/url`, { url });
  const end = Date.now() + NAVIGATION_MS;
  // Between two pages there may be none.
  while (
    !(await run(
      'return !window.leaving && document.readyState === "complete";',
    ).catch(() => false))
  ) {
    if (Date.now() > end)
      throw new Error(`${url}: not there within ${NAVIGATION_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function start(port) {
  const driver = `--port=${port}`;
  // WebKitGTK has no headless mode: it gets a display that nobody sees, unless there is one.
  const [program, args] = process.env.DISPLAY
    ? ["WebKitWebDriver", [driver]]
    : ["xvfb-run", ["-a", "WebKitWebDriver", driver]];
  // A group of its own: closing must reach the display and the browser behind the wrapper.
  const child = spawn(program, args, { stdio: "ignore", detached: true });
  const failed = new Promise((_, reject) => child.once("error", reject));
  const base = `http://127.0.0.1:${port}`;
  const up = (async () => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await command(base, "GET", "/status");
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  })();
  await Promise.race([up, failed]);
  return { child, base };
}

export async function open(driven, { profile, phone } = {}) {
  if (phone) return openView({ profile, phone });
  const { child, base } = await start(await freePort());
  const stop = () => process.kill(-child.pid);
  try {
    const { sessionId } = await command(base, "POST", "/session", {
      capabilities: {
        alwaysMatch: {
          browserName: "MiniBrowser",
          pageLoadStrategy: "none",
          "webkitgtk:browserOptions": {
            binary: driven.executable,
            args: ["--automation"],
          },
        },
      },
    });
    const session = `/session/${sessionId}`;
    const script = (expression) => ({
      script: `return (${expression});`,
      args: [],
    });
    return {
      goto: (url) => navigate(base, session, url),
      evaluate: (expression) =>
        command(base, "POST", `${session}/execute/sync`, script(expression)),
      close: async () => {
        await command(base, "DELETE", session).catch(() => {});
        stop();
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}
