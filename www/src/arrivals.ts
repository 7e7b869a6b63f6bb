// What comes from outside the page: texts and files shared to the installed app, .gguf files opened with it, and the
// shortcuts of its icon.
import { attach } from "./attach";
import * as desk from "./desk";
import { fromFile, load } from "./model";
import { documentsDialog } from "./ui/documents-dialog";
import { focusComposer } from "./ui/composer";

/** Where the service worker leaves what was shared (sw.ts). */
const SHARED = "smidgen-shared";

async function takeShared(): Promise<void> {
  const cache = await caches.open(SHARED);
  const requests = await cache.keys();
  const files: File[] = [];
  let text = "";
  for (const request of requests) {
    const response = await cache.match(request);
    await cache.delete(request);
    const name = response?.headers.get("x-name");
    if (!response) continue;
    if (name === null || name === undefined) text = await response.text();
    else
      files.push(
        new File([await response.blob()], decodeURIComponent(name), {
          type: response.headers.get("content-type") ?? "",
        }),
      );
  }
  if (text === "" && files.length === 0) return;
  desk.startConversation();
  const { id, draft } = desk.open.peek();
  const drafts = [draft, text].filter((part) => part.trim() !== "");
  desk.changeConversation(id, { draft: drafts.join("\n\n") });
  const model = files.find(({ name }) => /\.gguf$/i.test(name));
  if (model) void load(fromFile(model));
  await attach(files.filter((file) => file !== model));
}

/** Not in the DOM library: Chromium only. */
interface LaunchQueue {
  setConsumer(
    take: (launch: { files?: readonly FileSystemFileHandle[] }) => void,
  ): void;
}

export async function takeArrivals(): Promise<void> {
  const wanted = new URLSearchParams(location.search);
  if (wanted.has("new")) {
    desk.startConversation();
    focusComposer();
  }
  if (wanted.has("documents")) documentsDialog.value = true;
  if (wanted.has("shared")) await takeShared().catch(() => undefined);
  // Done once: a reload is no second arrival.
  if (["new", "documents", "shared"].some((name) => wanted.has(name)))
    history.replaceState(null, "", location.pathname);
  const { launchQueue } = globalThis as { launchQueue?: LaunchQueue };
  launchQueue?.setConsumer(({ files }) => {
    void files?.[0]?.getFile().then((file) => load(fromFile(file)));
  });
}
