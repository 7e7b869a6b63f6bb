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
const shell = built.filter((entry) => !urlOf(entry).endsWith(".wasm"));
/** Absolute addresses of the flavours this build has; a page uses one, so one is kept: the one it asked for. */
const flavours = new Set(
  built
    .map(urlOf)
    .filter((url) => url.endsWith(".wasm"))
    .map((url) => new URL(url, self.location.href).href),
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
      for (const url of flavours)
        if (used.has(flavourOf(url)) && !(await cache.match(url)))
          await cache.add(url);
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(FLAVOUR_CACHE);
      for (const request of await cache.keys())
        if (!flavours.has(request.url)) await cache.delete(request);
      await self.clients.claim();
    })(),
  );
});

// The page asks first and sends this when the reader agrees; a reply in progress is never cut.
self.addEventListener("message", (event) => {
  if ((event.data as { type?: unknown } | null)?.type === "SKIP_WAITING")
    void self.skipWaiting();
});
