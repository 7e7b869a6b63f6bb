// Deletes everything this page keeps on this device: models, what reads pictures, conversations,
// documents, choices. The page itself stays.
import * as desk from "./desk";
import { removeAllDocuments } from "./documents/documents";
import { engine, refreshStored, stored, unload } from "./model";
import { forgetReading } from "./reading-room";
import { forgetChoices } from "./remember";
import { stop } from "./reply";

export async function forgetEverything(): Promise<void> {
  stop();
  await forgetReading();
  await unload();
  await desk.removeAllConversations();
  await removeAllDocuments();
  const { models } = await engine();
  await refreshStored();
  for (const { id } of stored.value) await models.delete(id);
  forgetChoices();
  await refreshStored();
}
