// Starts the page: words, the screen, then what may take longer (conversations, service worker, model).
import { render } from "preact";
import { startDesk } from "./desk";
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
await Promise.all([startDesk(), startModel()]);
