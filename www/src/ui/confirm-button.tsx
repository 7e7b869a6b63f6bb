// A button for what cannot be undone: the first press asks, the second does it.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { t } from "../i18n";

/** With an icon it is small until it asks. */
export function ConfirmButton(props: {
  label: string;
  icon?: ComponentChildren;
  onConfirm: () => void;
}) {
  const { label, icon, onConfirm } = props;
  const sure = useSignal(false);
  const small = icon !== undefined && !sure.value;
  return (
    <button
      type="button"
      class={small ? "icon-button danger" : "button danger"}
      aria-label={small ? label : undefined}
      title={label}
      onBlur={() => (sure.value = false)}
      onClick={() => {
        if (sure.value) onConfirm();
        sure.value = !sure.value;
      }}
    >
      {sure.value ? t("storage.sure") : (icon ?? label)}
    </button>
  );
}
