// How the page is built: a static folder with relative paths, one service worker, one manifest.
import { defineConfig } from "vite";
import { VitePWA } from "vite-plugin-pwa";
import { firstPaint } from "./scripts/first-paint.ts";
import { readingFiles } from "./scripts/reading-files.ts";

/** `…/wasm/<flavour>/smidgen_bg.wasm` keeps its flavour in its name: the service worker keeps one flavour (sw.ts). */
function assetFileNames({
  originalFileNames,
}: {
  originalFileNames: string[];
}) {
  for (const name of originalFileNames) {
    const flavour = /\/wasm\/([\w-]+)\/[^/]+\.wasm$/.exec(name)?.[1];
    if (flavour) return `assets/smidgen-${flavour}.[hash][extname]`;
  }
  return "assets/[name]-[hash][extname]";
}

/** What is loaded lazily and is not for everybody; the service worker knows it by its name (sw.ts). */
const EXTRA =
  /\/node_modules\/(temml|highlight\.js|lowlight|pdfjs-dist)\/|\/src\/reading\//;

const extraName = (extra: boolean) =>
  extra ? "assets/extra-[name]-[hash].js" : "assets/[name]-[hash].js";

export default defineConfig({
  base: "./",
  build: {
    // Safari 16.4 is the first with WebAssembly SIMD, below it the engine cannot run at all.
    target: ["chrome94", "firefox100", "safari16.4"],
    // Everything the page may load comes from 'self' under its content security policy: no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        chunkFileNames: ({ moduleIds }) =>
          extraName(moduleIds.some((id) => EXTRA.test(id))),
      },
    },
  },
  worker: {
    format: "es",
    rolldownOptions: {
      output: {
        assetFileNames,
        entryFileNames: ({ moduleIds }) =>
          extraName(moduleIds.some((id) => EXTRA.test(id))),
      },
    },
  },
  server: { fs: { allow: [".."] } },
  plugins: [
    firstPaint(),
    readingFiles(),
    VitePWA({
      strategies: "injectManifest",
      srcDir: "src",
      filename: "sw.ts",
      registerType: "prompt",
      injectRegister: false,
      injectManifest: {
        // The wasm flavours are listed so that the service worker knows which ones are current; it does not
        // precache them (see sw.ts). Model weights are not part of the build.
        // Nor what reads pictures, in ocr/: it is listed for the same reason.
        globPatterns: [
          "**/*.{html,js,css,svg,png,webmanifest,wasm}",
          "ocr/**/*.{js,wasm,gz}",
        ],
        globIgnores: ["models/**"],
        maximumFileSizeToCacheInBytes: 16 * 1024 * 1024,
        rollupFormat: "iife",
      },
      manifest: {
        id: "/",
        name: "Smidgen",
        short_name: "Smidgen",
        description:
          "Chat with a small language model that runs on this device, also offline.",
        start_url: "./",
        scope: "./",
        display: "standalone",
        background_color: "#0f1716",
        theme_color: "#0f766e",
        categories: ["productivity", "utilities"],
        launch_handler: { client_mode: "focus-existing" },
        share_target: {
          action: "./share",
          method: "POST",
          enctype: "multipart/form-data",
          params: {
            title: "title",
            text: "text",
            url: "url",
            files: [
              {
                name: "files",
                accept: [
                  "text/*",
                  "image/*",
                  "application/pdf",
                  ".md",
                  ".txt",
                  ".gguf",
                ],
              },
            ],
          },
        },
        file_handlers: [
          {
            action: "./",
            accept: { "application/octet-stream": [".gguf"] },
          },
        ],
        shortcuts: [
          {
            name: "New conversation",
            url: "./?new",
            icons: [{ src: "icons/icon-192.png", sizes: "192x192" }],
          },
          {
            name: "Documents",
            url: "./?documents",
            icons: [{ src: "icons/icon-192.png", sizes: "192x192" }],
          },
        ],
        icons: [
          {
            src: "icons/icon-192.png",
            sizes: "192x192",
            type: "image/png",
            purpose: "any",
          },
          {
            src: "icons/icon-512.png",
            sizes: "512x512",
            type: "image/png",
            purpose: "any",
          },
          {
            src: "icons/maskable-512.png",
            sizes: "512x512",
            type: "image/png",
            purpose: "maskable",
          },
        ],
      },
    }),
  ],
});
