// A share of the processor for one program and everything that it starts, by a control group. It needs Linux and the
// right to make groups; elsewhere it refuses, as no other way slows all threads of a browser down alike.

import { access, chmod, mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** In microseconds, as the kernel counts. Short, so that a held process is not seen to stutter. */
const PERIOD_US = 20_000;

/** The two generations: where groups are made, what is written to limit one, and what names its processes. */
const GENERATIONS = [
  {
    name: "cgroup v2",
    root: "/sys/fs/cgroup",
    present: "cgroup.controllers",
    prepare: (root) => writeFile(join(root, "cgroup.subtree_control"), "+cpu"),
    limit: (group, quota) =>
      writeFile(join(group, "cpu.max"), `${quota} ${PERIOD_US}`),
  },
  {
    name: "cgroup v1",
    root: "/sys/fs/cgroup/cpu",
    present: "cpu.cfs_quota_us",
    prepare: async () => {},
    limit: async (group, quota) => {
      await writeFile(join(group, "cpu.cfs_period_us"), String(PERIOD_US));
      await writeFile(join(group, "cpu.cfs_quota_us"), String(quota));
    },
  },
];

/**
 * @param {number} cores 0.25 is a quarter of one
 * @param {string} folder a folder for the starting script
 * @returns {Promise<{ by: string, wrapped: (executable: string) => Promise<string>, remove: () => Promise<void> }>}
 *   `wrapped`: a program that starts the executable within the group
 */
export async function cpuShare(cores, folder) {
  const refused = [];
  for (const { name, root, present, prepare, limit } of GENERATIONS) {
    const group = join(root, `smidgen-${process.pid}`);
    try {
      await access(join(root, present));
      await prepare(root);
      await mkdir(group);
      await limit(group, Math.round(cores * PERIOD_US));
    } catch (error) {
      refused.push(`${name}: ${error.message}`);
      await rmdir(group).catch(() => {});
      continue;
    }
    const wrapped = async (executable) => {
      const script = join(folder, "within-the-group.sh");
      const line = `#!/bin/sh\necho $$ > '${group}/cgroup.procs'\nexec '${executable}' "$@"\n`;
      await writeFile(script, line);
      await chmod(script, 0o755);
      return script;
    };
    const remove = async () => {
      // The last processes of a browser end after it has said good-bye.
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await rmdir(group);
        } catch (error) {
          if (attempt === 100) throw error;
          await sleep(100);
        }
      }
    };
    return { by: name, wrapped, remove };
  }
  throw new Error(
    `no share of the processor can be given here (${refused.join("; ")}): run this as root on Linux, or with --cores 0 for the whole processor`,
  );
}
