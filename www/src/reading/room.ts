// All of reading/ that the rest of the page uses; loaded through reading-room.ts.
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
