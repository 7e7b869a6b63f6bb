// What went wrong, as data: a stable code, the thrower's own words, and plain words for the person.
import { language, type Phrase, t } from "./i18n";
import i18next from "i18next";

export interface Problem {
  code: string;
  message: string;
}

export function problemFrom(error: unknown): Problem {
  if (typeof error === "object" && error !== null) {
    const { code, message, name } = error as Record<string, unknown>;
    return {
      code:
        typeof code === "string" && code
          ? code
          : typeof name === "string" && name !== "Error"
            ? name
            : "unknown",
      message: typeof message === "string" ? message : String(error),
    };
  }
  return { code: "unknown", message: String(error) };
}

/** Plain words for a code; the engine's own sentence where the page has none. */
export function explain(problem: Problem): string {
  void language.value;
  const key = `problem.${problem.code}`;
  return i18next.exists(key)
    ? t(key as Phrase)
    : problem.message || t("error.unknown");
}
