// Dropping a .gguf file anywhere on the page opens it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { openFile } from "./source-form";

const carriesFile = (event: DragEvent) =>
  event.dataTransfer?.types.includes("Files") ?? false;

/** True while a file is held over the page. */
export function useFileDrop() {
  const dropping = useSignal(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      dropping.value = true;
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) dropping.value = false;
    };
    const drop = (event: DragEvent) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      dropping.value = false;
      const file = event.dataTransfer?.files[0];
      if (file) openFile(file);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [dropping]);
  return dropping;
}
