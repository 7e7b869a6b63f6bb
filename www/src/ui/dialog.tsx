// A modal dialog on the browser's own <dialog>: focus stays inside, Escape and a click beside it close it.
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useId, useRef } from "preact/hooks";
import { t } from "../i18n";
import { CloseIcon } from "./icons";

export function Dialog(props: {
  open: Signal<boolean>;
  title: string;
  class?: string;
  children: ComponentChildren;
}) {
  const { open, title, children } = props;
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const isOpen = open.value;
  // Before the next frame: a closed dialog gives the focus back, and typing may follow at once.
  useLayoutEffect(() => {
    if (isOpen && !ref.current?.open) ref.current?.showModal();
    if (!isOpen && ref.current?.open) ref.current.close();
  }, [isOpen]);
  return (
    <dialog
      ref={ref}
      class={`dialog ${props.class ?? ""}`}
      aria-labelledby={heading}
      onClose={() => (open.value = false)}
      onClick={(event) => {
        if (event.target === event.currentTarget) open.value = false;
      }}
    >
      {isOpen && (
        <div class="dialog-body">
          <div class="dialog-head">
            <h2 id={heading}>{title}</h2>
            <button
              type="button"
              class="icon-button"
              aria-label={t("error.dismiss")}
              onClick={() => (open.value = false)}
            >
              <CloseIcon />
            </button>
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}
