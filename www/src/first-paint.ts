// The welcome of a first visit, in the reader's language, before the rest of the page has come. main.tsx replaces it.
// On a later visit there may be a conversation to show instead: then the place stays empty.
import { chosenLanguage, deviceLanguage } from "./i18n/wanted";
import words from "virtual:first-words";
import { read } from "./remember";
import { LAST_MODEL } from "./visits";

const known = Object.keys(words);
const language = chosenLanguage(known) ?? deviceLanguage(known) ?? "en";
const place = document.querySelector("#app .welcome");
// The whole page may have been quicker.
if (place && read(LAST_MODEL) === null) {
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
  const [title, text] = words[language]!;
  place.querySelector("h2")!.textContent = title;
  place.querySelector("p")!.textContent = text;
}
