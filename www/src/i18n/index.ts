// The page's words: i18next with one lazily loaded file per language, and the language as a signal.
import { signal } from "@preact/signals";
import i18next from "i18next";
import { write } from "../remember";
import { CHOSEN, chosenLanguage, deviceLanguage } from "./wanted";
import type readingWords from "../reading/words/en.json";
import en from "./en.json";

export const languages = {
  en: { name: "English", dir: "ltr", load: async () => ({ default: en }) },
  de: { name: "Deutsch", dir: "ltr", load: () => import("./de.json") },
  es: { name: "Español", dir: "ltr", load: () => import("./es.json") },
  ar: { name: "العربية", dir: "rtl", load: () => import("./ar.json") },
  zh: { name: "中文", dir: "ltr", load: () => import("./zh.json") },
} as const;
export type Language = keyof typeof languages;
const known = Object.keys(languages) as Language[];

export const language = signal<Language>("en");

type Paths<T> = {
  [K in keyof T & string]: T[K] extends string
    ? K extends `${infer Base}_${"one" | "other"}`
      ? Base
      : K
    : `${K}.${Paths<T[K]>}`;
}[keyof T & string];
/** Every phrase there is, by its path in en.json; a phrase that is not there does not compile. */
export type Phrase = Paths<typeof en> | Paths<typeof readingWords>;

/** Reading the signal makes every component that shows words follow the language. */
export function t(key: Phrase, values?: Record<string, unknown>): string {
  void language.value;
  return values ? i18next.t(key, values) : i18next.t(key);
}

/** The language a person chose here, undefined while the page follows the device. */
export const chosen = signal<Language | undefined>(undefined);

const ofDevice = (): Language => deviceLanguage(known) ?? "en";

type Words = Record<Language, () => Promise<{ default: object }>>;

/** All words of the page, and those of its parts that are loaded when needed. */
const sets: Words[] = [
  Object.fromEntries(
    known.map((one) => [one, languages[one].load]),
  ) as unknown as Words,
];

async function fill(next: Language, words: Words): Promise<void> {
  const { default: some } = await words[next]();
  i18next.addResourceBundle(next, "translation", some, true);
}

/** Words of a part that is loaded when needed; English where another language does not come. */
export async function addWords(words: Words): Promise<void> {
  sets.push(words);
  await fill("en", words);
  if (language.peek() !== "en")
    await fill(language.peek(), words).catch(() => undefined);
}

async function show(next: Language): Promise<void> {
  await Promise.all(sets.map((words) => fill(next, words)));
  await i18next.changeLanguage(next);
  document.documentElement.lang = next;
  document.documentElement.dir = languages[next].dir;
  language.value = next;
}

export async function choose(next: Language | undefined): Promise<void> {
  chosen.value = next;
  write(CHOSEN, next);
  await show(next ?? ofDevice());
}

export async function startLanguage(): Promise<void> {
  await i18next.init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: { translation: en } },
    // Preact escapes what it renders.
    interpolation: { escapeValue: false },
  });
  chosen.value = chosenLanguage(known);
  const wanted = chosen.value ?? ofDevice();
  if (wanted === "en") return;
  // English is better than a page that does not start.
  await show(wanted).catch(() => undefined);
}

const formats = new Map<string, Intl.NumberFormat>();
function format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language.value + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(language.value, options);
    formats.set(key, found);
  }
  return found;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** 98,123,456 → “98.1 MB”. */
export function bytes(count: number): string {
  let power = 0;
  let value = count;
  while (value >= 1000 && power < UNITS.length - 1) {
    value /= 1000;
    power += 1;
  }
  return format({
    style: "unit",
    unit: UNITS[power]!,
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: value < 100 && power > 0 ? 1 : 0,
  }).format(value);
}

/** “de” → “German”, in the page's language. */
export function languageName(code: string): string {
  try {
    const names = new Intl.DisplayNames(language.value, { type: "language" });
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** “22 Nov 2026”. */
export function day(time: number): string {
  const options = { dateStyle: "medium" } as const;
  return new Intl.DateTimeFormat(language.value, options).format(time);
}

export const number = (value: number, digits = 0) =>
  format({
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  }).format(value);

export const percent = (fraction: number) =>
  format({ style: "percent", maximumFractionDigits: 0 }).format(fraction);

/** “40 sec”, “3 min”: how long something still takes. */
export function duration(inSeconds: number): string {
  const minutes = inSeconds >= 90;
  return format({
    style: "unit",
    unit: minutes ? "minute" : "second",
    unitDisplay: "short",
    maximumFractionDigits: 0,
  }).format(minutes ? inSeconds / 60 : Math.max(1, inSeconds));
}

export const seconds = (milliseconds: number) =>
  format({
    style: "unit",
    unit: "second",
    unitDisplay: "narrow",
    maximumFractionDigits: milliseconds < 10_000 ? 2 : 0,
  }).format(milliseconds / 1000);
