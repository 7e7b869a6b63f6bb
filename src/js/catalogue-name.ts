// Which texts are names of models and no addresses. Knows no model.

/** No slash, no scheme, and no ending as files have one: `qwen3-0.6b`, but not `model.gguf`. */
export function isName(text: string): boolean {
  return /^[a-z\d][\w.-]*$/i.test(text) && !/\.[a-z]\w*$/i.test(text);
}
