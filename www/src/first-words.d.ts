// Made at build time (scripts/first-paint.ts): title and text of the welcome, by language.
declare module "virtual:first-words" {
  const words: Record<string, [title: string, text: string]>;
  export default words;
}
