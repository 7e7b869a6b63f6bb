// An engine that traps: the built one with a fault in its glue, on a test server.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST } from "./stage.mjs";

/** A module with one function, `trap`, whose body is `unreachable`. */
const TRAP = [
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
  ...[7, 8, 1, 4, 0x74, 0x72, 0x61, 0x70, 0, 0],
  ...[10, 5, 1, 3, 0, 0x00, 0x0b],
];

/** The engine with a fault: the `at`-th token of a reply to a prompt that says "trap" is a real wasm trap. */
export async function serveTraps(server) {
  for (const flavour of ["simd128", "relaxed"]) {
    const glue = await readFile(
      join(DIST, "wasm", flavour, "smidgen.js"),
      "utf8",
    );
    const wasm = await readFile(join(DIST, "wasm", flavour, "smidgen_bg.wasm"));
    const fault = `
      const { begin, step } = Engine.prototype;
      let trapped;
      let left = 3;
      Engine.prototype.begin = function (request) {
        const begun = begin.call(this, request);
        if (request.includes("trap")) trapped = JSON.parse(begun).reply;
        return begun;
      };
      Engine.prototype.step = function (replies, masked, masks) {
        if (!replies.includes(trapped) || left-- !== 1) {
          return step.call(this, replies, masked, masks);
        }
        console.error("panicked at the third token");
        const module = new WebAssembly.Module(new Uint8Array(${JSON.stringify(TRAP)}));
        new WebAssembly.Instance(module).exports.trap();
      };
    `;
    const folder = `/faulty/${flavour}`;
    server.files.set(`${folder}/smidgen.js`, { body: glue + fault });
    server.files.set(`${folder}/smidgen_bg.wasm`, { body: wasm });
  }
}
