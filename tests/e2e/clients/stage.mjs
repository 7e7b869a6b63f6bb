// What every test of the clients starts from: the real clients in one bundle, beside the built package, in Chromium.

import { build } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { browse, MODEL_PATH, serve, visit } from "../package/stage.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));

/** A page with the model loaded. */
export async function clients(context, script = "page.js") {
  const bundle = await build({
    entryPoints: [join(HERE, script)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["/pkg/*"],
    // What the clients ask of Node is asked on servers only.
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
  });
  const server = await serve();
  context.after(() => server.stop());
  server.files.set("/clients.html", {
    body: '<!doctype html><meta charset="utf-8"><title>clients</title><script type="module" src="/clients.js"></script>',
    type: "text/html",
  });
  server.files.set("/clients.js", {
    body: bundle.outputFiles[0].contents,
    type: "text/javascript",
  });
  const { browser } = await browse(context);
  const page = await visit(browser, server, "/clients.html");
  await page.evaluate((path) => load(path), MODEL_PATH);
  return { server, page };
}
