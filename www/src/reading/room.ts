// All of reading/ that the rest of the page uses; loaded through reading-room.ts.
import { addWords } from "../i18n";
import en from "./words/en.json";

export const addReadingWords = () =>
  addWords({
    en: async () => ({ default: en }),
    de: () => import("./words/de.json"),
    es: () => import("./words/es.json"),
    ar: () => import("./words/ar.json"),
    zh: () => import("./words/zh.json"),
  });

export { ReadingAsk } from "./ask";
export { PictureName, UnreadPicture } from "./chip";
export { PictureDialog } from "./dialog";
export { lookForFiles } from "./files";
export { ReadingKept } from "./kept";
export {
  addPicture,
  dropPicture,
  dropPictures,
  forgetPictures,
  reading,
  unread,
} from "./pictures";
export { readPicture } from "./reading";
export { stageText } from "./stage";
