// The bar at the top: the page's name, the model's state, a new conversation.
import * as desk from "../desk";
import { percent, t } from "../i18n";
import { model } from "../model";
import { modelDialog } from "./model-dialog";
import { focusComposer } from "./composer";
import { ChipIcon, MenuIcon, PlusIcon, SlidersIcon } from "./icons";
import { settingsDialog } from "./settings-dialog";
import { drawer } from "./shelf";

function modelLabel(): string {
  const state = model.value;
  switch (state.phase) {
    case "ready":
      return state.source.name.replace(/\.gguf$/i, "");
    case "loading": {
      const { loadedBytes = 0, totalBytes } = state.progress ?? {};
      return t("model.loading", {
        percent: totalBytes ? percent(loadedBytes / totalBytes) : "…",
      });
    }
    case "failed":
      return t("model.failed");
    default:
      return t("model.none");
  }
}

export function Bar() {
  const { phase } = model.value;
  return (
    <header class="bar">
      <button
        type="button"
        class="icon-button only-narrow"
        aria-label={t("shelf.open")}
        title={t("shelf.open")}
        aria-haspopup="dialog"
        onClick={() => (drawer.value = true)}
      >
        <MenuIcon />
      </button>
      <h1 class="bar-title">{t("app.name")}</h1>
      <button
        type="button"
        class="chip"
        data-phase={phase}
        aria-haspopup="dialog"
        onClick={() => (modelDialog.value = true)}
      >
        <ChipIcon />
        <span class="visually-hidden">{t("source.title")}: </span>
        <span class="chip-text" dir="auto">
          {modelLabel()}
        </span>
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={t("settings.title")}
        title={t("settings.title")}
        aria-haspopup="dialog"
        onClick={() => (settingsDialog.value = true)}
      >
        <SlidersIcon />
      </button>
      <button
        type="button"
        class="icon-button only-narrow"
        aria-label={t("messages.new")}
        title={t("messages.new")}
        onClick={() => {
          desk.startConversation();
          focusComposer();
        }}
      >
        <PlusIcon />
      </button>
    </header>
  );
}
