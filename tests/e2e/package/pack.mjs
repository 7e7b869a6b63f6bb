// The tarball of `npm pack`, as it would be published.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./stage.mjs";

export const PKG = join(ROOT, "pkg");

/** Made in `folder`: its path, and what npm says of it. */
export async function pack(folder) {
  const { stdout } = await promisify(execFile)(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
    { cwd: PKG, maxBuffer: 1 << 24 },
  );
  const [packed] = JSON.parse(stdout);
  return { packed, path: join(folder, packed.filename) };
}
