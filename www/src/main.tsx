// Starts the page: words, the screen, then what may take longer (conversations, service worker, model).
import "./trusted";
import { render } from "preact";
import { takeArrivals } from "./arrivals";
import { startCare } from "./care";
import { startDesk } from "./desk";
import { readDocuments } from "./documents/documents";
import { startLanguage } from "./i18n";
import { startModel } from "./model";
import { startShell } from "./shell";
import { startWakeLock } from "./wake";
import { App } from "./ui/app";
import "./style/index.css";

await startLanguage();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
startShell();
startWakeLock();
// A crash decides how the engine starts.
await startCare();
await Promise.all([
  startDesk().then(takeArrivals),
  readDocuments(),
  startModel(),
]);
