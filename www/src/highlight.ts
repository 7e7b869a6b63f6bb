// Code as coloured parts, by highlight.js through lowlight: a tree, never HTML. Loaded with the first block of code.
import { common, createLowlight } from "lowlight";

const lowlight = createLowlight(common);

/** Beyond this colouring would hold up the page. */
const LONGEST = 20_000;

export interface Part {
  text: string;
  /** Class names of highlight.js, outermost first. */
  classes: string;
}

type Node = ReturnType<typeof lowlight.highlight>["children"][number];

function collect(node: Node, classes: string, into: Part[]): void {
  if (node.type === "text") {
    into.push({ text: node.value, classes });
  } else if (node.type === "element") {
    const own = node.properties["className"];
    const names = Array.isArray(own) ? own.join(" ") : "";
    for (const child of node.children) collect(child, names || classes, into);
  }
}

/** Undefined for a language that is not known. */
export function parts(code: string, language: string): Part[] | undefined {
  if (code.length > LONGEST || !lowlight.registered(language)) return undefined;
  const found: Part[] = [];
  for (const child of lowlight.highlight(language, code).children)
    collect(child, "", found);
  return found;
}
