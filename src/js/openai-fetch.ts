// A `fetch` that answers like an OpenAI server with one model: chat completions, completions and models, with server-sent events.

import { isAbort, SmidgenError } from "./errors.ts";
import { RequestError } from "./openai-fields.ts";
import type {
  ErrorBody,
  ModelCard,
  ReplyStream,
  RequestOptions,
} from "./openai-types.ts";

/** Answers a request body, or hands out a stream of chunks. */
export type Route = (body: never, options: RequestOptions) => Promise<unknown>;

/** `routes`: the end of a path → what answers there. */
export function createFetch(
  card: ModelCard,
  routes: ReadonlyMap<string, Route>,
): typeof globalThis.fetch {
  const paths = [...routes.keys()].sort((a, b) => b.length - a.length);

  return async function fetch(input, init): Promise<Response> {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    try {
      const route = paths.find((end) => path.endsWith(end));
      if (route !== undefined) {
        expectMethod("POST", request, path);
        const params = await parseJson(request);
        // Not Request.signal: some engines lose the abort when a Request wraps it.
        const signal = init?.signal ?? request.signal;
        const reply = await routes.get(route)!(params as never, { signal });
        return isStream(reply) ? eventStream(reply) : json(200, reply);
      }
      if (path.endsWith("/models")) {
        expectMethod("GET", request, path);
        return json(200, { object: "list", data: [card] });
      }
      const asked = /\/models\/(.+)$/.exec(path)?.[1];
      if (asked !== undefined) {
        expectMethod("GET", request, path);
        const id = decoded(asked);
        if (id === card.id) return json(200, card);
        throw modelNotFound(id, card.id);
      }
      throw new RequestError(
        "unknown_url",
        null,
        `nothing answers at ${path}; there are ${[...paths, "/models"].join(", ")}`,
        404,
      );
    } catch (error) {
      // fetch rejects for an abort; all else is a reply.
      if (isAbort(error)) throw error;
      return failure(error);
    }
  };
}

export function modelNotFound(asked: string, loaded: string): RequestError {
  return new RequestError(
    "model_not_found",
    null,
    `there is no model ${asked}; the one loaded is ${loaded}`,
    404,
  );
}

async function parseJson(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new RequestError(
      "invalid_json",
      null,
      `the request body is not JSON: ${(error as Error).message}`,
    );
  }
}

function isStream(reply: unknown): reply is ReplyStream<unknown> {
  return (
    typeof reply === "object" && reply !== null && Symbol.asyncIterator in reply
  );
}

function eventStream(stream: ReplyStream<unknown>): Response {
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

/** A part of an address as it was meant, or as it is where nobody can have meant it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function expectMethod(
  expected: string,
  { method }: Request,
  path: string,
): void {
  if (method === expected) return;
  throw new RequestError(
    "method_not_allowed",
    null,
    `${path} answers ${expected}, not ${method}`,
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
