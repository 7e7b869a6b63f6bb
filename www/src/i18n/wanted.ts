// Which of the page's languages a person wants: the one they chose here, else the first that the device names.
import { read } from "../remember";

/** Where a choice is kept. */
export const CHOSEN = "smidgen:language";

export const chosenLanguage = <T extends string>(known: readonly T[]) =>
  known.find((language) => language === read(CHOSEN));

export function deviceLanguage<T extends string>(
  known: readonly T[],
): T | undefined {
  for (const wanted of navigator.languages) {
    const base = wanted.toLowerCase().split("-")[0];
    const match = known.find((language) => language === base);
    if (match) return match;
  }
  return undefined;
}
