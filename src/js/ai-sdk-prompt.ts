// The AI SDK's call options → the fields of chat.completions, with a warning for each thing that a model on a device lacks.

import { UnsupportedFunctionalityError } from "@ai-sdk/provider";
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4ToolResultOutput,
  SharedV4Warning,
} from "@ai-sdk/provider";
import type {
  ChatCompletionCreateParams,
  ChatMessageParam,
  ToolCall,
  ToolChoiceParam,
} from "./openai-types.ts";

export interface Call {
  params: ChatCompletionCreateParams;
  warnings: SharedV4Warning[];
}

export function toCall(options: LanguageModelV4CallOptions): Call {
  const warnings: SharedV4Warning[] = [];
  const tools = (options.tools ?? []).flatMap((tool) => {
    if (tool.type === "function") return [tool];
    warnings.push({
      type: "unsupported",
      feature: `provider tool ${tool.id}`,
      details: "there is no provider's server to run it",
    });
    return [];
  });
  const { responseFormat, reasoning, providerOptions } = options;
  const params: ChatCompletionCreateParams = {
    messages: options.prompt.flatMap(toMessages),
    max_completion_tokens: options.maxOutputTokens ?? null,
    temperature: options.temperature ?? null,
    top_p: options.topP ?? null,
    top_k: options.topK ?? null,
    presence_penalty: options.presencePenalty ?? null,
    frequency_penalty: options.frequencyPenalty ?? null,
    seed: options.seed ?? null,
    stop: options.stopSequences?.length ? options.stopSequences : null,
  };
  if (responseFormat?.type === "json") {
    params.response_format = responseFormat.schema
      ? {
          type: "json_schema",
          json_schema: {
            name: responseFormat.name ?? "response",
            schema: responseFormat.schema as Record<string, unknown>,
          },
        }
      : { type: "json_object" };
  }
  if (tools.length > 0) {
    params.tools = tools.map(({ name, description, inputSchema }) => ({
      type: "function",
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        parameters: inputSchema as Record<string, unknown>,
      },
    }));
    params.tool_choice = toChoice(options.toolChoice);
  }
  if (reasoning !== undefined && reasoning !== "provider-default") {
    params.reasoning_effort = reasoning;
  }
  // Whatever else chat.completions takes: min_p, grammar, chat_template_kwargs, …
  return { params: { ...params, ...providerOptions?.["smidgen"] }, warnings };
}

function toChoice(
  choice: LanguageModelV4CallOptions["toolChoice"],
): ToolChoiceParam {
  return choice?.type === "tool"
    ? { type: "function", function: { name: choice.toolName } }
    : (choice?.type ?? "auto");
}

function toMessages(message: LanguageModelV4Message): ChatMessageParam[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [
        {
          role: "user",
          content: message.content
            .map((part) =>
              part.type === "text" ? part.text : textOfFile(part),
            )
            .join(""),
        },
      ];
    case "assistant":
      return [toAssistant(message.content)];
    case "tool":
      return message.content.flatMap((part) =>
        part.type === "tool-result"
          ? [
              {
                role: "tool" as const,
                tool_call_id: part.toolCallId,
                name: part.toolName,
                content: textOfOutput(part.output),
              },
            ]
          : [],
      );
  }
}

type AssistantContent = Extract<
  LanguageModelV4Message,
  { role: "assistant" }
>["content"];

function toAssistant(content: AssistantContent): ChatMessageParam {
  let text = "";
  let reasoning = "";
  const calls: ToolCall[] = [];
  for (const part of content) {
    switch (part.type) {
      case "text":
        text += part.text;
        break;
      case "reasoning":
        reasoning += part.text;
        break;
      case "tool-call":
        calls.push({
          id: part.toolCallId,
          type: "function",
          function: {
            name: part.toolName,
            arguments: JSON.stringify(part.input ?? {}),
          },
        });
        break;
      default:
        throw unsupported(`${part.type} parts of assistant messages`);
    }
  }
  return {
    role: "assistant",
    content: text,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

type FilePart = Extract<
  Extract<LanguageModelV4Message, { role: "user" }>["content"][number],
  { type: "file" }
>;

/** Text files are read; pictures and sound are not. `data` is bytes or base64 itself in version 3. */
function textOfFile({ mediaType, data }: FilePart): string {
  if (!mediaType.startsWith("text/")) throw unsupported(`${mediaType} files`);
  const given: unknown =
    typeof data === "object" && "type" in data
      ? data.type === "text"
        ? { text: data.text }
        : data.type === "data"
          ? data.data
          : undefined
      : data;
  if (given instanceof Uint8Array) return new TextDecoder().decode(given);
  if (typeof given === "string") {
    const bytes = Uint8Array.from(atob(given), (c) => c.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  }
  const { text } = (given ?? {}) as { text?: string };
  if (text !== undefined) return text;
  throw unsupported("files by address");
}

function textOfOutput(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The user did not allow this call.";
    case "content":
      return output.value
        .map((part) => {
          if (part.type === "text") return part.text;
          throw unsupported(`${part.type} parts of tool results`);
        })
        .join("");
  }
}

function unsupported(functionality: string): UnsupportedFunctionalityError {
  return new UnsupportedFunctionalityError({
    functionality,
    message: `this model reads text only; ${functionality} cannot be given to it`,
  });
}
