// The package as npm would install it: the files that its package.json names.

import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./stage.mjs";

/** Copies the built package into `project`'s node_modules. */
export async function install(project) {
  const installed = join(project, "node_modules/smidgen");
  await mkdir(installed, { recursive: true });
  const pkg = join(ROOT, "pkg");
  const { files } = JSON.parse(await readFile(join(pkg, "package.json")));
  for (const file of ["package.json", ...files]) {
    await cp(join(pkg, file), join(installed, file), { recursive: true });
  }
}
