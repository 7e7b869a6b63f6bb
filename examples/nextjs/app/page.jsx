// A chat in a client component: the package is imported in the browser only, where there are workers.

"use client";

import { useEffect, useState } from "react";

export default function Page() {
  const [llm, setLlm] = useState();
  const [text, setText] = useState("");
  const [done, setDone] = useState(false);

  useEffect(() => {
    const controller = new AbortController();
    let loaded;
    (async () => {
      const { Smidgen } = await import("smidgen");
      const source = new URLSearchParams(location.search).get("model");
      loaded = await Smidgen.load(source, { signal: controller.signal });
      setLlm(loaded);
    })().catch((error) => {
      if (!controller.signal.aborted) setText(error.message);
    });
    return () => {
      controller.abort();
      loaded?.unload();
    };
  }, []);

  async function send(event) {
    event.preventDefault();
    const content = new FormData(event.currentTarget).get("question");
    const stream = await llm.chat.completions.create({
      messages: [{ role: "user", content }],
      stream: true,
      max_tokens: 64,
    });
    let reply = "";
    for await (const chunk of stream) {
      reply += chunk.choices[0]?.delta.content ?? "";
      setText(reply);
    }
    setDone(true);
  }

  return (
    <form onSubmit={send}>
      <label>
        Ask{" "}
        <input name="question" defaultValue="What is the capital of France?" />
      </label>
      <button disabled={!llm}>Send</button>
      <output data-done={done || undefined}>{text}</output>
    </form>
  );
}
