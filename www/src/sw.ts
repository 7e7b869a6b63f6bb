// The service worker: keeps the shell for offline use and adds the headers that let a page use threads.
// It refuses to touch model weights: those are the package's, in IndexedDB.
/// <reference lib="webworker" />
import {
  addPlugins,
  cleanupOutdatedCaches,
  createHandlerBoundToURL,
  precacheAndRoute,
  type PrecacheEntry,
} from "workbox-precaching";
import { NavigationRoute, registerRoute } from "workbox-routing";
import { CacheFirst } from "workbox-strategies";
import type { WorkboxPlugin } from "workbox-core/types.js";

declare const self: ServiceWorkerGlobalScope & {
  __WB_MANIFEST: (PrecacheEntry | string)[];
};

const FLAVOUR_CACHE = "smidgen-flavour";

/** A plain static host cannot send these; cross-origin isolation, and so threads, needs them. */
const ISOLATION: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

function isolated(response: Response): Response {
  if (response.type === "opaque" || response.status === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION))
    headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

const isolation: WorkboxPlugin = {
  handlerWillRespond: async ({ response }) => isolated(response),
};

const urlOf = (entry: PrecacheEntry | string) =>
  typeof entry === "string" ? entry : entry.url;
const built = self.__WB_MANIFEST;
/** Loaded lazily (vite.config.ts names them): kept once a model is here, so that the first visit stays small. */
const EXTRA = /(^|\/)assets\/extra-/;
/** What reads pictures: only the page fetches and keeps it, once a person wants it (reading/files.ts). */
const READING = /(^|\/)ocr\//;
const isWasm = (entry: PrecacheEntry | string) =>
  urlOf(entry).endsWith(".wasm");
const shell = built.filter(
  (entry) =>
    !isWasm(entry) && !EXTRA.test(urlOf(entry)) && !READING.test(urlOf(entry)),
);
const EXTRAS_CACHE = "smidgen-extras";
const SHARED_CACHE = "smidgen-shared";
const READING_CACHE = "smidgen-reading";
const absolute = (url: string) => new URL(url, self.location.href).href;
const extras = new Set(
  built
    .map(urlOf)
    .filter((url) => EXTRA.test(url))
    .map(absolute),
);
/** Absolute addresses of the flavours this build has; a page uses one, so one is kept: the one it asked for. */
const flavours = new Set(
  built
    .map(urlOf)
    .filter((url) => url.endsWith(".wasm") && !READING.test(url))
    .map(absolute),
);
const reading = new Set(
  built
    .map(urlOf)
    .filter((url) => READING.test(url))
    .map(absolute),
);

addPlugins([isolation]);
precacheAndRoute(shell);
cleanupOutdatedCaches();

// Only the page itself: other folders of the same host (a model folder, a benchmark page) stay with the network.
const scope = new URL(self.registration.scope).pathname;
const escaped = scope.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
registerRoute(
  new NavigationRoute(createHandlerBoundToURL("index.html"), {
    allowlist: [new RegExp(`^${escaped}(index\\.html)?(\\?.*)?$`)],
  }),
);

registerRoute(
  ({ url, sameOrigin }) => sameOrigin && flavours.has(url.href),
  new CacheFirst({ cacheName: FLAVOUR_CACHE, plugins: [isolation] }),
);

registerRoute(
  ({ url, sameOrigin }) => sameOrigin && extras.has(url.href),
  new CacheFirst({ cacheName: EXTRAS_CACHE, plugins: [isolation] }),
);

/** Nothing is kept here: the page does that, file by file, and can be stopped. */
registerRoute(
  ({ url, sameOrigin }) => sameOrigin && reading.has(url.href),
  async ({ request }) => {
    const here = (await caches.has(READING_CACHE))
      ? await (await caches.open(READING_CACHE)).match(request.url)
      : undefined;
    return isolated(here ?? (await fetch(request)));
  },
);

/** What reading some PDF files needs; few need any. */
registerRoute(
  ({ url, sameOrigin }) =>
    sameOrigin && url.pathname.startsWith(`${scope}cmaps/`),
  new CacheFirst({ cacheName: EXTRAS_CACHE, plugins: [isolation] }),
);

/** A text beyond this was not meant for a chat. */
const MOST_SHARED = 20;

/** What another app shares waits in a cache until the page takes it (arrivals.ts): nothing of it leaves the device. */
async function keepShared(request: Request): Promise<Response> {
  const fields = await request.formData();
  const cache = await caches.open(SHARED_CACHE);
  const texts = ["title", "text", "url"]
    .map((name) => fields.get(name))
    .filter((value) => typeof value === "string" && value.trim() !== "");
  const at = (name: string) => absolute(`shared/${name}`);
  if (texts.length > 0)
    await cache.put(at("text"), new Response(texts.join("\n")));
  const files = fields.getAll("files").slice(0, MOST_SHARED);
  for (const [number, file] of files.entries())
    if (file instanceof File)
      await cache.put(
        at(`file-${number}`),
        new Response(file, {
          headers: {
            "content-type": file.type,
            "x-name": encodeURIComponent(file.name),
          },
        }),
      );
  return Response.redirect(`${scope}?shared`, 303);
}

registerRoute(
  ({ url, sameOrigin }) => sameOrigin && url.pathname === `${scope}share`,
  ({ request }) => keepShared(request),
  "POST",
);

async function keep(name: string, urls: Iterable<string>): Promise<void> {
  const cache = await caches.open(name);
  for (const url of urls) if (!(await cache.match(url))) await cache.add(url);
}

const nameOf = (url: string) => url.slice(url.lastIndexOf("/") + 1);

/** “…/smidgen-relaxed.4f2a.wasm” → “relaxed”. */
const flavourOf = (url: string) => /\/smidgen-([\w-]+)\.[^/]*$/.exec(url)?.[1];

// The new version of the flavour this device uses comes with the new version of the page: no gap in which the page
// is there offline and its engine is not. Without a connection the update waits.
self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(FLAVOUR_CACHE);
      const kept = await cache.keys();
      const used = new Set(kept.map(({ url }) => flavourOf(url)));
      await keep(
        FLAVOUR_CACHE,
        [...flavours].filter((url) => used.has(flavourOf(url))),
      );
      if (await caches.has(EXTRAS_CACHE)) await keep(EXTRAS_CACHE, extras);
      if (await caches.has(READING_CACHE)) {
        const had = await (await caches.open(READING_CACHE)).keys();
        const names = new Set(had.map(({ url }) => nameOf(url)));
        const wanted = [...reading].filter((url) => names.has(nameOf(url)));
        await keep(READING_CACHE, wanted);
      }
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(FLAVOUR_CACHE);
      for (const request of await cache.keys())
        if (!flavours.has(request.url)) await cache.delete(request);
      const lazy = await caches.open(EXTRAS_CACHE);
      for (const request of await lazy.keys())
        if (EXTRA.test(request.url) && !extras.has(request.url))
          await lazy.delete(request);
      if (await caches.has(READING_CACHE)) {
        const readers = await caches.open(READING_CACHE);
        for (const request of await readers.keys())
          if (!reading.has(request.url)) await readers.delete(request);
      }
      await self.clients.claim();
    })(),
  );
});

// The page asks first and sends this when the reader agrees; a reply in progress is never cut.
self.addEventListener("message", (event) => {
  const { type } = (event.data ?? {}) as { type?: unknown };
  if (type === "SKIP_WAITING") void self.skipWaiting();
  // Without a connection they come with the next message.
  if (type === "KEEP_EXTRAS")
    event.waitUntil(keep(EXTRAS_CACHE, extras).catch(() => undefined));
});
