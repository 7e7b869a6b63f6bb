// The page as an installed thing: service worker, isolation on plain static hosts, and the offer of a new version.
import { signal } from "@preact/signals";
import { registerSW } from "virtual:pwa-register";

/** A new version waits; calling it restarts the page with it. */
export const update = signal<(() => void) | undefined>(undefined);
/** True once the service worker serves this page: what it needs is on this device. */
export const shellKept = signal(false);

/** Offers to install the page, where the browser has such an offer and it was not taken yet. */
export const install = signal<(() => void) | undefined>(undefined);

/** Not in the DOM library: Chromium only. */
type InstallOffer = Event & { prompt(): Promise<unknown> };

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  install.value = () => {
    install.value = undefined;
    void (event as InstallOffer).prompt();
  };
});
addEventListener("appinstalled", () => (install.value = undefined));

export const installed = () =>
  matchMedia("(display-mode: standalone)").matches ||
  (navigator as { standalone?: boolean }).standalone === true;

/** iPhones and iPads have no offer to install: there it goes by a menu. */
export const isApple = () =>
  /iP(hone|ad|od)/.test(navigator.userAgent) ||
  // An iPad says it is a Mac, but no Mac has touch points.
  (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);

/** Asks the service worker to keep what is loaded lazily too: formulas, colours of code, the reader of PDF files. */
export const keepExtras = () =>
  navigator.serviceWorker?.controller?.postMessage({ type: "KEEP_EXTRAS" });

/** A page that stays open for days looks for a new version when it is looked at again. */
const UPDATE_EVERY_MS = 60 * 60 * 1000;

function lookForUpdates(registration: ServiceWorkerRegistration): void {
  let last = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || Date.now() - last < UPDATE_EVERY_MS) return;
    last = Date.now();
    // Without a connection there is nothing new.
    registration.update().catch(() => undefined);
  });
}

const RELOADED = "smidgen:isolated";
/** For a service worker that is there and does not take this page: a forced reload. */
const CONTROL_WAIT_MS = 4000;
/** For one that is being installed: a slow device takes its time, and the engine's files must pass through it. */
const INSTALL_WAIT_MS = 60_000;

let controlled: Promise<void> = Promise.resolve();

/**
 * Resolves when the service worker serves this page, so that the engine's files pass through it and are there
 * offline. Bounded: without a service worker (private windows, a forced reload) the engine starts all the same.
 */
export const engineCanStart = () => controlled;

async function control(refused: Promise<void>): Promise<void> {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller) return;
  const taken = new Promise<void>((resolve) => {
    serviceWorker.addEventListener("controllerchange", () => resolve(), {
      once: true,
    });
  });
  const there = await serviceWorker.getRegistration().catch(() => undefined);
  const most = there?.active ? CONTROL_WAIT_MS : INSTALL_WAIT_MS;
  const late = new Promise<void>((resolve) => setTimeout(resolve, most));
  await Promise.race([taken, refused, late]);
}

/** Threads need cross-origin isolation. Where the host sends no headers the service worker adds them: one reload. */
function isolateOnce(): void {
  if (crossOriginIsolated || !navigator.serviceWorker.controller) return;
  try {
    if (sessionStorage.getItem(RELOADED)) return;
    sessionStorage.setItem(RELOADED, "1");
  } catch {
    return; // Without a mark this could reload for ever.
  }
  location.reload();
}

export function startShell(): void {
  if (!("serviceWorker" in navigator)) return;
  followUpdates();
  let refuse = () => {};
  controlled = control(new Promise((resolve) => (refuse = resolve)));
  void controlled.then(() => {
    shellKept.value = navigator.serviceWorker.controller !== null;
    isolateOnce();
  });
  const takeOver = registerSW({
    immediate: true,
    onRegisteredSW: (_url, registration) => {
      if (!registration) return;
      lookForUpdates(registration);
      const { installing } = registration;
      installing?.addEventListener("statechange", () => {
        if (installing.state === "redundant") refuse();
      });
    },
    onRegisterError: () => refuse(),
    onNeedRefresh: () => {
      update.value = () => {
        reloadOnceServed = true;
        void takeOver(false);
      };
    },
  });
}

let reloadOnceServed = false;

/** Another tab may have agreed to the new version: the files of the old one are gone, so this page must follow. */
function followUpdates(): void {
  let served = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (reloadOnceServed) location.reload();
    else if (served) update.value = () => location.reload();
    served = true;
  });
}
