// The whole screen: bar, conversation, composer, notices, and the file drop that covers all of it.
import { useEffect } from "preact/hooks";
import { announcements } from "../announcer";
import { t } from "../i18n";
import { room } from "../reading-room";
import { Bar } from "./bar";
import { Composer, focusComposer } from "./composer";
import { useFileDrop } from "./drop";
import { ConversationDialog } from "./conversation-dialog";
import { DeviceDialog } from "./device-dialog";
import { DocumentsDialog } from "./documents-dialog";
import { Messages } from "./messages";
import { ModelDialog } from "./model-dialog";
import { Notices } from "./notices";
import { SettingsDialog } from "./settings-dialog";
import { Shelf } from "./shelf";

function LiveRegion() {
  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {announcements.value.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  );
}

export function App() {
  const dropping = useFileDrop();
  const { PictureDialog } = room.value ?? {};
  useEffect(() => {
    // A keyboard is there: start in the composer. On a phone that would open the on-screen keyboard.
    if (matchMedia("(pointer: fine)").matches) focusComposer();
  }, []);
  return (
    <div class="app">
      <a class="skip" href="#composer">
        {t("skip")}
      </a>
      <Bar />
      <div class="room">
        <Shelf />
        <main class="main">
          <Messages />
          <Notices />
          <Composer />
        </main>
      </div>
      <LiveRegion />
      <ModelDialog />
      <ConversationDialog />
      <SettingsDialog />
      <DocumentsDialog />
      {PictureDialog && <PictureDialog />}
      <DeviceDialog />
      {dropping.value && <div class="drop">{t("source.dropNow")}</div>}
    </div>
  );
}
