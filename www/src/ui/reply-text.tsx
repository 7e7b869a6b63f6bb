// A reply's text: Markdown once its parser is here, plain text before.
import { signal, useSignal } from "@preact/signals";
import { memo } from "preact/compat";
import type { Block, blocks } from "../markdown";
import { t } from "../i18n";
import { CheckIcon, CopyIcon } from "./icons";

/** Not part of the first paint. */
const parse = signal<typeof blocks | undefined>(undefined);
void import("../markdown").then((module) => (parse.value = module.blocks));

const COPIED_MS = 2000;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return; // Refused by the browser: the text can still be selected by hand.
    }
    copied.value = true;
    setTimeout(() => (copied.value = false), COPIED_MS);
  };
  return (
    <button
      type="button"
      class="small-button"
      aria-label={copied.value ? t("messages.copied") : label}
      title={label}
      onClick={() => void copy()}
    >
      {copied.value ? <CheckIcon /> : <CopyIcon />}
    </button>
  );
}

function Code({ language, text }: { language: string; text: string }) {
  return (
    <div class="code">
      <div class="code-head">
        <span>{language}</span>
        <CopyButton text={text} label={t("messages.copyCode")} />
      </div>
      <pre
        tabIndex={0}
        role="group"
        aria-label={language || t("messages.code")}
      >
        <code dir="ltr">{text}</code>
      </pre>
    </div>
  );
}

const BlockItem = memo(
  ({ block }: { block: Block }) =>
    block.kind === "code" ? (
      <Code language={block.language} text={block.text} />
    ) : (
      <div
        class="block"
        dir="auto"
        dangerouslySetInnerHTML={{ __html: block.html }}
      />
    ),
  (before, after) =>
    before.block.kind === "html" &&
    after.block.kind === "html" &&
    before.block.html === after.block.html,
);

export function ReplyText({ text }: { text: string }) {
  const parsed = parse.value?.(text);
  if (!parsed)
    return (
      <div class="text" dir="auto">
        {text}
      </div>
    );
  return (
    <div class="markdown">
      {parsed.map((block) => (
        <BlockItem key={block.key} block={block} />
      ))}
    </div>
  );
}
