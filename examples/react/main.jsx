// A chat as a React component: the model is loaded once, a reply is state that grows, and leaving the page stops it.

import React, { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { Smidgen } from "smidgen";

const address = new URLSearchParams(location.search).get("model");

/** The model, once it is loaded; how much of it is, before. */
function useModel(source) {
  const [state, setState] = useState({ progress: 0 });
  useEffect(() => {
    const controller = new AbortController();
    const loading = Smidgen.load(source, {
      signal: controller.signal,
      onProgress: ({ loadedBytes, totalBytes }) =>
        setState({ progress: loadedBytes / (totalBytes ?? Infinity) }),
    });
    loading.then(
      (llm) => setState({ llm }),
      (error) => {
        if (!controller.signal.aborted) setState({ error });
      },
    );
    return () => {
      controller.abort();
      loading.then((llm) => llm.unload()).catch(() => {});
    };
  }, [source]);
  return state;
}

function Chat() {
  const { llm, progress, error } = useModel(address);
  const [messages, setMessages] = useState([]);
  const [done, setDone] = useState(false);
  const reply = useRef();
  useEffect(() => () => reply.current?.abort(), []);

  async function send(event) {
    event.preventDefault();
    const content = new FormData(event.currentTarget).get("question");
    const asked = [...messages, { role: "user", content }];
    reply.current = new AbortController();
    const stream = await llm.chat.completions.create(
      { messages: asked, stream: true, max_tokens: 64 },
      { signal: reply.current.signal },
    );
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      setMessages([...asked, { role: "assistant", content: text }]);
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
      <output data-done={done || undefined}>
        {error?.message ??
          (llm
            ? messages.map(({ content }, index) => <p key={index}>{content}</p>)
            : `${Math.round(100 * progress)} %`)}
      </output>
    </form>
  );
}

createRoot(document.querySelector("#root")).render(<Chat />);
