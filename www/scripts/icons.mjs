// Draws the icons of public/icons from one description: `npm run icons`, only when the drawing changes.
import { mkdirSync, writeFileSync } from "node:fs";
import { Resvg } from "@resvg/resvg-js";

const folder = new URL("../public/icons/", import.meta.url);

/** The drawing on a 512 × 512 canvas: a speech bubble holding a pinch of three grains. */
const mark = `
  <path d="M144 128h224a56 56 0 0 1 56 56v112a56 56 0 0 1-56 56H236l-76 64a12 12 0 0 1-20-9v-55.200A56 56 0 0 1 88 296V184a56 56 0 0 1 56-56z" fill="#f3fbf9"/>
  <circle cx="176" cy="240" r="26" fill="#0f766e"/>
  <circle cx="256" cy="240" r="26" fill="#0f766e"/>
  <circle cx="336" cy="240" r="26" fill="#e2873a"/>`;

/** `radius` of the plate's corners; `scale` of the mark, smaller where a mask may cut the rim away. */
const icon = (radius, scale) => `
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">
  <rect width="512" height="512" rx="${radius}" fill="#0f766e"/>
  <g transform="translate(256 256) scale(${scale}) translate(-256 -268)">${mark}</g>
</svg>`;

const png = (svg, width) =>
  new Resvg(svg, { fitTo: { mode: "width", value: width } }).render().asPng();

mkdirSync(folder, { recursive: true });
const write = (name, data) => writeFileSync(new URL(name, folder), data);
write("icon.svg", icon(112, 1).trim() + "\n");
write("icon-192.png", png(icon(112, 1), 192));
write("icon-512.png", png(icon(112, 1), 512));
write("maskable-512.png", png(icon(0, 0.78), 512));
write("apple-touch-icon.png", png(icon(0, 0.9), 180));
