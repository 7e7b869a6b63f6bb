// A reply's text: Markdown once its parser is here, plain text before; code in colours once the reply is finished.
import { effect, signal, useSignal } from "@preact/signals";
import { memo } from "preact/compat";
import type { parts } from "../highlight";
import type { Block, blocks } from "../markdown";
import { t } from "../i18n";
import { whenIdle } from "../idle";
import { model } from "../model";
import { read } from "../remember";
import { LAST_MODEL } from "../visits";
import { CheckIcon, CopyIcon } from "./icons";

/** Every kind of block is looked for in a paragraph; patterns become machine code the second time they are used. */
const REHEARSAL = "A *paragraph*.\n\nAnother, with `code`.";

/** Not before a model loads, so that a first visit is small. */
const parse = signal<typeof blocks | undefined>(undefined);
let wantedParser: Promise<void> | undefined;
function wantParser(): void {
  wantedParser ??= import("../markdown").then(
    (module) => {
      parse.value = module.blocks;
      // A reply's first frame would hold the page up with what the parser does once.
      whenIdle(() => module.blocks(REHEARSAL));
    },
    () => {
      // Plain text until the next reply asks again.
      wantedParser = undefined;
    },
  );
}
// On a later visit there may be replies at once.
if (read(LAST_MODEL) !== null) wantParser();
effect(() => {
  if (model.value.phase === "loading") whenIdle(wantParser);
});

/** Not before the first code. */
const coloured = signal<typeof parts | undefined>(undefined);
let wanted: Promise<void> | undefined;
function wantColours(): void {
  wanted ??= import("../highlight").then(
    (module) => void (coloured.value = module.parts),
    () => {
      // Code without colours is code.
      wanted = undefined;
    },
  );
}

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

function Colours({ language, text }: { language: string; text: string }) {
  if (language) wantColours();
  const found = coloured.value?.(text, language.toLowerCase());
  if (!found) return <>{text}</>;
  return (
    <>
      {found.map(({ text, classes }) =>
        classes ? <span class={classes}>{text}</span> : text,
      )}
    </>
  );
}

function Code(props: { language: string; text: string; finished: boolean }) {
  const { language, text, finished } = props;
  return (
    <div class="code">
      <div class="code-head">
        <span>{language}</span>
        <CopyButton text={text} label={t("messages.copyCode")} />
      </div>
      <pre
        dir="ltr"
        tabIndex={0}
        role="group"
        aria-label={language || t("messages.code")}
      >
        <code>
          {finished ? <Colours language={language} text={text} /> : text}
        </code>
      </pre>
    </div>
  );
}

const BlockItem = memo(
  ({ block, finished }: { block: Block; finished: boolean }) =>
    block.kind === "code" ? (
      <Code language={block.language} text={block.text} finished={finished} />
    ) : (
      <div
        class="block"
        dir="auto"
        dangerouslySetInnerHTML={{ __html: block.html as string }}
      />
    ),
  (before, after) =>
    before.block.kind === "html" &&
    after.block.kind === "html" &&
    String(before.block.html) === String(after.block.html),
);

export function ReplyText(props: { text: string; finished?: boolean }) {
  const { text, finished = true } = props;
  wantParser();
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
        <BlockItem key={block.key} block={block} finished={finished} />
      ))}
    </div>
  );
}
