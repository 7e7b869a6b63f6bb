// One face for three browser engines: open, go to an address, evaluate, close. Tests that need more ask for Chromium.

import * as chromium from "./chromium.mjs";
import * as firefox from "./firefox.mjs";
import * as webkit from "./webkit.mjs";

const engines = { chromium, firefox, webkit };

/**
 * @typedef {object} Driven a browser on this machine, as xtask found it
 * @property {"chromium" | "firefox" | "webkit"} name
 * @property {string} executable
 * @property {boolean} [sandbox] false where the kernel refuses it
 *
 * @typedef {object} Page
 * @property {(address: string) => Promise<void>} goto
 * @property {(expression: string) => Promise<any>} evaluate the value of a JavaScript expression; it must survive JSON
 * @property {(x: number, y: number) => Promise<void>} [tap] a finger at a place of the viewport, where it can be sent
 * @property {(path: string) => Promise<void>} picture the viewport as PNG; not through WebDriver
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Phone a screen to imitate, in CSS pixels
 * @property {number} width
 * @property {number} height
 * @property {string} [userAgent]
 */

/**
 * @param {Driven} driven
 * @param {{ profile?: string, unwatched?: boolean, phone?: Phone }} [options] `profile`: a folder that outlives the
 *   browser, which WebKit has as a phone only; `unwatched`: nothing may listen to the network, which costs Chromium's pages time and memory
 * @returns {Promise<Page>}
 */
export function open(driven, options = {}) {
  const engine = engines[driven.name];
  if (!engine) throw new Error(`there is no driver for ${driven.name}`);
  return engine.open(driven, options);
}
