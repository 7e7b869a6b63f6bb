// runTools: asks, calls the program's functions, and asks again with their results, for so many rounds at most.

import { aborted } from "./errors.ts";
import { RequestError, wrongType, wrongValue } from "./openai-fields.ts";
import type { Tool } from "./openai-messages.ts";
import type {
  ChatCompletion,
  ChatCompletionCreateParams,
  ChatMessageParam,
  RequestOptions,
  ToolCall,
} from "./openai-types.ts";

export interface RunnableTool extends Tool {
  function: Tool["function"] & {
    /** Gets the arguments as an object; its result goes back to the model, as JSON where it is no string. */
    execute(given: unknown, options: RequestOptions): unknown;
  };
}

/** Without the index signature, beside which no field keeps its type. */
type Named<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

export type RunToolsParams = Omit<
  Named<ChatCompletionCreateParams>,
  "tools" | "stream" | "n"
> & {
  tools: RunnableTool[];
  /** Replies at most; the last may call nothing. Default 8. */
  max_steps?: number;
};

export interface ToolRun {
  /** The last reply. */
  completion: ChatCompletion;
  /** The conversation with every call, result and reply. */
  messages: ChatMessageParam[];
  steps: number;
}

const MAX_STEPS = 8;

export async function runTools(
  create: (
    params: ChatCompletionCreateParams & { stream?: false },
    options: RequestOptions,
  ) => Promise<ChatCompletion>,
  { tools, max_steps = MAX_STEPS, ...params }: RunToolsParams,
  options: RequestOptions = {},
): Promise<ToolRun> {
  if (!Array.isArray(tools)) throw wrongType("tools", "an array");
  if (!Number.isInteger(max_steps) || max_steps < 1) {
    throw wrongValue("max_steps", max_steps, "a whole number, 1 or more");
  }
  tools.forEach((tool, index) => {
    if (typeof tool.function?.execute === "function") return;
    throw wrongType(`tools[${index}].function.execute`, "a function");
  });
  if (!Array.isArray(params.messages)) throw wrongType("messages", "an array");
  const messages = [...params.messages];
  const described = tools.map(
    ({ type, function: { execute: _, ...made } }): Tool => ({
      type,
      function: made,
    }),
  );
  for (let steps = 1; ; steps++) {
    const forced = params.tool_choice ?? "auto";
    const completion = await create(
      {
        ...params,
        messages,
        tools: described,
        // What was forced is forced once; at the end nothing more is called.
        tool_choice:
          steps === max_steps && steps > 1
            ? "none"
            : steps === 1
              ? forced
              : "auto",
      },
      options,
    );
    const { message } = completion.choices[0]!;
    messages.push(message);
    const calls = message.tool_calls ?? [];
    if (calls.length === 0 || steps === max_steps) {
      return { completion, messages, steps };
    }
    const results = await Promise.all(
      calls.map((call) => execute(tools, call, options)),
    );
    if (options.signal?.aborted) throw aborted("runTools");
    messages.push(...results);
  }
}

/** The model hears of what went wrong; the program does not. */
async function execute(
  tools: RunnableTool[],
  { id, function: { name, arguments: given } }: ToolCall,
  options: RequestOptions,
): Promise<ChatMessageParam> {
  const answer = (content: string): ChatMessageParam => ({
    role: "tool",
    tool_call_id: id,
    name,
    content,
  });
  const tool = tools.find((tool) => tool.function.name === name);
  if (!tool) return answer(`error: there is no tool ${name}`);
  try {
    const result = await tool.function.execute(JSON.parse(given), options);
    return answer(
      typeof result === "string" ? result : (JSON.stringify(result) ?? "done"),
    );
  } catch (error) {
    if (error instanceof RequestError) throw error;
    return answer(
      `error: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
