// What tells a later visit from a first one.

/** Where the id of the model used last is kept. */
export const LAST_MODEL = "smidgen:model";
