// What scripts/reading-files.ts puts beside the page.
declare module "virtual:reading-files" {
  /** Relative to the page, with a slash at its end. */
  export const folder: string;
  /** In bytes, by the name of the file. */
  export const sizes: Readonly<Record<string, number>>;
}
