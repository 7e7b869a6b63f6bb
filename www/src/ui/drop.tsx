// Dropping files anywhere on the page: a .gguf is opened as a model, others go with the next message.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attach } from "../attach";
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
      const files = [...(event.dataTransfer?.files ?? [])];
      const model = files.find(({ name }) => /\.gguf$/i.test(name));
      if (model) openFile(model);
      else if (files.length > 0) void attach(files);
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
