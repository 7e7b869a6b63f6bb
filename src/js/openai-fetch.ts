// A `fetch` that answers like an OpenAI server with one model: /v1/models and /v1/chat/completions, with server-sent events.

import { isAbort, SmidgenError } from "./errors.ts";
import { RequestError } from "./openai-request.ts";
import type {
  ChatCompletionCreateParams,
  ChatCompletions,
  ChatCompletionStream,
  ErrorBody,
} from "./openai-types.ts";

export function createFetch(
  model: { id: string; name: string },
  completions: ChatCompletions,
): typeof globalThis.fetch {
  const created = Math.floor(Date.now() / 1000);
  const card = {
    id: model.id,
    object: "model",
    created,
    owned_by: "smidgen",
    name: model.name,
  };

  return async function fetch(input, init): Promise<Response> {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    try {
      if (path.endsWith("/chat/completions")) {
        if (request.method !== "POST") throw wrongMethod(request.method, path);
        const params = await parseJson(request);
        // Not Request.signal: some engines lose the abort when a Request wraps it.
        const signal = init?.signal ?? request.signal;
        const reply = await completions.create(params, { signal });
        return Symbol.asyncIterator in reply
          ? eventStream(reply)
          : json(200, reply);
      }
      if (path.endsWith("/models")) {
        return json(200, { object: "list", data: [card] });
      }
      const asked = /\/models\/(.+)$/.exec(path)?.[1];
      if (asked !== undefined && decodeURIComponent(asked) === model.id) {
        return json(200, card);
      }
      throw new RequestError(
        asked === undefined ? "unknown_url" : "model_not_found",
        null,
        asked === undefined
          ? `nothing answers at ${path}; there are /chat/completions and /models`
          : `there is no model ${asked}; the one loaded is ${model.id}`,
        404,
      );
    } catch (error) {
      // fetch rejects for an abort; all else is a reply.
      if (isAbort(error)) throw error;
      return failure(error);
    }
  };
}

async function parseJson(
  request: Request,
): Promise<ChatCompletionCreateParams> {
  const text = await request.text();
  try {
    return JSON.parse(text) as ChatCompletionCreateParams;
  } catch (error) {
    throw new RequestError(
      "invalid_json",
      null,
      `the request body is not JSON: ${(error as Error).message}`,
    );
  }
}

function eventStream(stream: ChatCompletionStream): Response {
  const chunks = stream[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const event = (data: string) => encoder.encode(`data: ${data}\n\n`);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await chunks.next();
        if (next.done) {
          controller.enqueue(event("[DONE]"));
          controller.close();
        } else {
          controller.enqueue(event(JSON.stringify(next.value)));
        }
      } catch (error) {
        if (isAbort(error)) {
          controller.error(error);
        } else {
          // The status has been sent; clients read an error from an event.
          controller.enqueue(event(JSON.stringify(bodyOf(error))));
          controller.close();
        }
      }
    },
    cancel() {
      stream.controller.abort();
    },
  });
  return new Response(body, {
    status: 200,
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
    },
  });
}

function wrongMethod(method: string, path: string): RequestError {
  return new RequestError(
    "method_not_allowed",
    null,
    `${path} answers POST, not ${method}`,
    405,
  );
}

function failure(error: unknown): Response {
  const status = error instanceof RequestError ? error.status : 500;
  return json(status, bodyOf(error), {
    // The same request would fail the same way.
    "x-should-retry": "false",
  });
}

function bodyOf(error: unknown): ErrorBody {
  if (error instanceof RequestError) return { error: error.error };
  return {
    error: {
      message: error instanceof Error ? error.message : String(error),
      type: "server_error",
      param: null,
      code: error instanceof SmidgenError ? error.code : "internal",
    },
  };
}

function json(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
