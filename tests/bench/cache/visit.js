// One visit, timed from the navigation on: load a model as the address asks, say one token, leave the figures on `window`.

import { Smidgen } from "/pkg/index.js";

const { source, ...options } = JSON.parse(
  decodeURIComponent(location.search.slice(1)),
);

async function visit() {
  const warnings = [];
  const onWarning = ({ code }) => warnings.push(code);
  const llm = await Smidgen.load(new URL(source, location.href), {
    ...options,
    onWarning,
  });
  const loadedAt = performance.now();
  // Beside the reply, as for a person who asks at once.
  const durable = llm.stored.then(() => performance.now());
  const messages = [{ role: "user", content: "Hi" }];
  for await (const _ of llm.generate({ messages, maxTokens: 1 }));
  const firstTokenAt = performance.now();
  const durableMs = (await durable) - loadedAt + llm.info.loadMs;
  const { loadMs, fromCache, cached, storage, flavour } = llm.info;
  return {
    ...{ loadMs, loadedAt, firstTokenAt, durableMs },
    ...{ fromCache, cached, storage, flavour, warnings },
  };
}

visit().then(
  (result) => (window.result = result),
  ({ code, message }) => (window.result = { error: `${code}: ${message}` }),
);
