// The passages an answer was given, by the numbers it names them with. Gone with their document.
import { useSignal } from "@preact/signals";
import { type Source, passageOf } from "../documents/documents";
import { number, t } from "../i18n";

function Item({ source, at }: { source: Source; at: number }) {
  /** Null once the document is no longer there. */
  const text = useSignal<string | null | undefined>(undefined);
  const read = async (open: boolean) => {
    if (open) text.value = (await passageOf(source))?.text ?? null;
  };
  const { name, page, paged } = source;
  return (
    <li>
      <details
        class="source-passage"
        onToggle={(event) => void read(event.currentTarget.open)}
      >
        <summary>
          <span class="numbers">[{number(at + 1)}]</span>{" "}
          <span class="wrap" dir="auto">
            {name}
          </span>
          {paged && `, ${t("documents.page", { page: number(page) })}`}
        </summary>
        {text.value !== undefined && (
          <blockquote class="text" dir="auto">
            {text.value ?? t("documents.gone")}
          </blockquote>
        )}
      </details>
    </li>
  );
}

export function Sources({ sources }: { sources: readonly Source[] }) {
  return (
    <section class="sources" aria-label={t("documents.sources")}>
      <h3>{t("documents.sources")}</h3>
      <ol role="list">
        {sources.map((source, at) => (
          <Item key={at} source={source} at={at} />
        ))}
      </ol>
    </section>
  );
}
