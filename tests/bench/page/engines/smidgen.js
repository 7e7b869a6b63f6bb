// Smidgen, as its package ships.

import { Smidgen } from "/pkg/index.js";

/** Plain prose; cut to length where it is used. */
const PROSE =
  "The river runs from the hills to the sea, and along its banks stand villages whose people have fished, built boats and traded for as long as anyone remembers. In spring the water is high and brown; in summer children swim where the mill once stood. ";

export async function load({ model, threads, contextLength, flavour }) {
  const llm = await Smidgen.load(new URL(model, location.href), {
    threads,
    contextLength,
    ...(flavour && { flavour }),
  });
  return {
    info: llm.info,
    async prompt(n) {
      const ids = (await llm.tokenize(PROSE.repeat(Math.ceil(n / 40)))).slice(
        0,
        n,
      );
      const text = await llm.detokenize(ids);
      const again = await llm.tokenize(text);
      if (again.join() !== ids.join())
        throw new Error(`the first ${n} tokens of the prose are not stable`);
      return { text, ids };
    },
    async complete({ ids, tokens }, onToken) {
      await llm.reset();
      let promptTokens = 0;
      const request = { ids, maxTokens: tokens, temperature: 0 };
      for await (const event of llm.generate({ ...request, ignoreEos: true })) {
        if (event.type === "begun") promptTokens = event.promptTokens;
        if (event.type === "token") onToken();
      }
      return promptTokens;
    },
  };
}
