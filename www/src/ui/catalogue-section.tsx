// The suggested models: what each is and needs, whether this device can run it, and the button that fetches it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CATALOGUE, type CatalogueModel } from "smidgen/catalogue";
import { addressOf, pageOf } from "../catalogue";
import { device, examine, fit, type Fit } from "../device";
import { bytes, languageName, number, t } from "../i18n";
import { fromUrl, load, model, stored } from "../model";

const SHOWN = 4;

/** The verdict, and in a word why. */
function verdictText({ verdict, reason }: Fit): string {
  return reason
    ? `${t(`fit.${verdict}`)}: ${t(`fit.why.${reason}`)}`
    : t(`fit.${verdict}`);
}

function languagesOf({ languages, languageCount }: CatalogueModel): string {
  const names = languages.slice(0, SHOWN).map(languageName).join(", ");
  const count = languageCount ?? languages.length;
  return count > SHOWN ? t("catalogue.languagesMore", { names, count }) : names;
}

function Item({ one }: { one: CatalogueModel }) {
  const on = device.value;
  const fits = fit(one, on);
  const url = addressOf(one);
  const here = stored.value.find((entry) => entry.url === url);
  const state = model.value;
  const inUse = state.phase === "ready" && state.llm.info.id === here?.id;
  const source = { ...fromUrl(url)!, name: one.file };
  const speed = fits.tokensPerSecond;
  return (
    <li class="suggestion">
      <div class="suggestion-head">
        <h4>{one.title}</h4>
        <span class="fit" data-verdict={fits.verdict}>
          {on ? verdictText(fits) : t("fit.testing")}
        </span>
      </div>
      <p class="hint">
        {one.goodAt.map((what) => t(`catalogue.good.${what}`)).join(" · ")}
        {" · "}
        {languagesOf(one)}
      </p>
      <p class="hint numbers">
        <span>{t("catalogue.download", { size: bytes(one.bytes) })}</span>
        <span>{t("messages.memory", { size: bytes(fits.needBytes) })}</span>
        {speed !== undefined && (
          <span>
            {t("catalogue.speed", { speed: number(speed, speed < 10 ? 1 : 0) })}
          </span>
        )}
      </p>
      <p class="hint links">
        <a href={one.licenceUrl} target="_blank" rel="noopener noreferrer">
          {t("catalogue.licence", { name: one.licence })}
        </a>
        <a href={pageOf(one)} target="_blank" rel="noopener noreferrer">
          {one.repo}
        </a>
      </p>
      {inUse ? (
        <span class="hint">{t("storage.inUse")}</span>
      ) : (
        <button
          type="button"
          class={fits.verdict === "fits" ? "button" : "button quiet"}
          onClick={() => void load(source)}
        >
          {here?.complete
            ? t("source.load")
            : here
              ? t("welcome.resume", { size: bytes(here.storedBytes) })
              : t("catalogue.get", { size: bytes(one.bytes) })}
          <span class="visually-hidden">: {one.title}</span>
        </button>
      )}
    </li>
  );
}

export function CatalogueSection() {
  const all = useSignal(false);
  useEffect(() => void examine(), []);
  const on = device.value;
  const runnable = CATALOGUE.filter((one) => fit(one, on).verdict !== "not");
  const hidden = CATALOGUE.length - runnable.length;
  return (
    <section>
      <h3>{t("catalogue.title")}</h3>
      <p class="hint">{t("catalogue.hint")}</p>
      <ul class="suggestions" role="list">
        {(all.value ? CATALOGUE : runnable).map((one) => (
          <Item key={one.name} one={one} />
        ))}
      </ul>
      {hidden > 0 && (
        <button
          type="button"
          class="button quiet"
          aria-expanded={all.value}
          onClick={() => (all.value = !all.value)}
        >
          {all.value
            ? t("catalogue.fewer")
            : t("catalogue.all", { count: hidden })}
        </button>
      )}
    </section>
  );
}
