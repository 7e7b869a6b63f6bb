// Requests that OpenAI's servers refuse, or that no device can answer: each with the field and the code of the refusal. No behaviour.

const user = { role: "user", content: "x" };
const say = (content) => ({ messages: [{ role: "user", content }] });
const tool = (made) => ({ type: "function", function: made });
const weather = tool({ name: "weather" });
const schema = (json_schema) => ({
  response_format: { type: "json_schema", json_schema },
});
const named = (schema) => ({
  response_format: { type: "json_schema", json_schema: { name: "x", schema } },
});
const grammar = (grammar) => ({ grammar });
const long = "word ".repeat(9000);

/** What chat and text completions refuse alike: [fields, param, code]. */
const SAMPLING = [
  [{ temperature: "hot" }, "temperature", "invalid_type"],
  [{ temperature: -0.1 }, "temperature", "decimal_below_min_value"],
  [{ temperature: 1000 }, "temperature", "decimal_above_max_value"],
  [{ temperature: [] }, "temperature", "invalid_type"],
  [{ top_p: -1 }, "top_p", "decimal_below_min_value"],
  [{ top_p: 1.01 }, "top_p", "decimal_above_max_value"],
  [{ top_p: true }, "top_p", "invalid_type"],
  [{ top_k: -1 }, "top_k", "integer_below_min_value"],
  [{ top_k: 1.5 }, "top_k", "invalid_type"],
  [{ min_p: 2 }, "min_p", "decimal_above_max_value"],
  [{ min_p: "0.1" }, "min_p", "invalid_type"],
  [{ repetition_penalty: 0 }, "repetition_penalty", "decimal_below_min_value"],
  [{ frequency_penalty: 2.1 }, "frequency_penalty", "decimal_above_max_value"],
  [{ frequency_penalty: {} }, "frequency_penalty", "invalid_type"],
  [{ presence_penalty: -2.1 }, "presence_penalty", "decimal_below_min_value"],
  [{ max_tokens: 0 }, "max_tokens", "integer_below_min_value"],
  [{ max_tokens: -5 }, "max_tokens", "integer_below_min_value"],
  [{ max_tokens: "5" }, "max_tokens", "invalid_type"],
  [{ max_tokens: 1.5 }, "max_tokens", "invalid_type"],
  [{ seed: "1" }, "seed", "invalid_type"],
  [{ seed: 0.5 }, "seed", "invalid_type"],
  [{ seed: 2 ** 60 }, "seed", "integer_above_max_value"],
  [{ n: 0 }, "n", "integer_below_min_value"],
  [{ n: 129 }, "n", "integer_above_max_value"],
  [{ n: "2" }, "n", "invalid_type"],
  [{ stop: "" }, "stop", "invalid_type"],
  [{ stop: 5 }, "stop", "invalid_type"],
  [{ stop: ["a", 5] }, "stop", "invalid_type"],
  [{ stop: Array(65).fill("x") }, "stop", "invalid_type"],
  [{ stream: "yes" }, "stream", "invalid_type"],
  [
    { stream_options: { include_usage: true } },
    "stream_options",
    "invalid_value",
  ],
  [{ stream: true, stream_options: 5 }, "stream_options", "invalid_type"],
  [
    { stream: true, stream_options: { include_usage: 1 } },
    "stream_options.include_usage",
    "invalid_type",
  ],
  [{ logit_bias: [] }, "logit_bias", "invalid_type"],
  [{ logit_bias: { word: 1 } }, "logit_bias", "invalid_value"],
  [{ logit_bias: { "-1": 1 } }, "logit_bias", "invalid_value"],
  [{ logit_bias: { 99999999: 1 } }, "logit_bias", "invalid_value"],
  [{ logit_bias: { 5: 101 } }, "logit_bias", "invalid_value"],
  [{ logit_bias: { 5: "1" } }, "logit_bias", "invalid_value"],
  [grammar(5), "grammar", "invalid_type"],
  [grammar({}), "grammar", "invalid_type"],
  [grammar(""), "grammar", "bad_grammar"],
  [grammar({ type: "wizard" }), "grammar", "bad_grammar"],
  [grammar({ type: "regex" }), "grammar", "bad_grammar"],
  [grammar({ type: "regex", pattern: "(" }), "grammar", "bad_grammar"],
  [
    grammar({ type: "regex", pattern: "x", syntax: "perl" }),
    "grammar",
    "bad_grammar",
  ],
  [
    grammar({ type: "regex", pattern: "x", flags: "q" }),
    "grammar",
    "bad_grammar",
  ],
  [grammar({ type: "choice", choices: [] }), "grammar", "bad_grammar"],
  [grammar("start: nowhere"), "grammar", "bad_grammar"],
  [grammar("root ::= nowhere"), "grammar", "bad_grammar"],
  [
    grammar({ type: "json_schema", schema: { not: {} } }),
    "grammar",
    "bad_grammar",
  ],
  [
    { ...grammar("start: /a/"), response_format: { type: "json_object" } },
    "grammar",
    "invalid_value",
  ],
  [{ response_format: "json" }, "response_format", "invalid_type"],
  [{ response_format: {} }, "response_format.type", "invalid_value"],
  [
    { response_format: { type: "xml" } },
    "response_format.type",
    "invalid_value",
  ],
  [schema(undefined), "response_format.json_schema", "invalid_type"],
  [
    schema({ schema: {} }),
    "response_format.json_schema.name",
    "missing_required_parameter",
  ],
  [
    schema({ name: "a b", schema: {} }),
    "response_format.json_schema.name",
    "invalid_value",
  ],
  [
    schema({ name: 5, schema: {} }),
    "response_format.json_schema.name",
    "invalid_value",
  ],
  [
    schema({ name: "x", schema: 5 }),
    "response_format.json_schema.schema",
    "invalid_type",
  ],
  [named({ type: "wizard" }), "response_format", "bad_grammar"],
  [
    named({ type: "array", uniqueItems: true }),
    "response_format",
    "bad_grammar",
  ],
  [
    named({ type: "integer", minimum: 5, maximum: 1 }),
    "response_format",
    "bad_grammar",
  ],
];

const CHAT = [
  [null, null, "invalid_type"],
  [[], null, "invalid_type"],
  ["x", null, "invalid_type"],
  [{}, "messages", "missing_required_parameter"],
  [{ messages: null }, "messages", "missing_required_parameter"],
  [{ messages: "x" }, "messages", "invalid_type"],
  [{ messages: [] }, "messages", "empty_array"],
  [{ messages: [null] }, "messages[0]", "invalid_type"],
  [{ messages: [user, "x"] }, "messages[1]", "invalid_type"],
  [{ messages: [{ content: "x" }] }, "messages[0].role", "invalid_value"],
  [
    { messages: [{ role: "wizard", content: "x" }] },
    "messages[0].role",
    "invalid_value",
  ],
  [{ messages: [{ role: "user" }] }, "messages[0].content", "invalid_type"],
  [say(5), "messages[0].content", "invalid_type"],
  [say({}), "messages[0].content", "invalid_type"],
  [say([]), "messages[0].content", "empty_array"],
  [say(["x"]), "messages[0].content[0]", "unsupported_content"],
  [say([{ type: "text" }]), "messages[0].content[0]", "unsupported_content"],
  [
    say([{ type: "image_url", image_url: { url: "x" } }]),
    "messages[0].content[0]",
    "unsupported_content",
  ],
  [
    say([{ type: "input_audio", input_audio: {} }]),
    "messages[0].content[0]",
    "unsupported_content",
  ],
  [
    say([{ type: "refusal", refusal: "x" }]),
    "messages[0].content[0]",
    "unsupported_content",
  ],
  [
    { messages: [{ role: "tool", content: "x" }] },
    "messages[0].tool_call_id",
    "invalid_type",
  ],
  [
    { messages: [{ role: "assistant", tool_calls: {} }] },
    "messages[0].tool_calls",
    "invalid_type",
  ],
  [
    { messages: [{ role: "assistant", tool_calls: [{ id: "1" }] }] },
    "messages[0].tool_calls[0]",
    "invalid_type",
  ],
  [
    { messages: [{ ...user, prefix: true }] },
    "messages[0].prefix",
    "invalid_type",
  ],
  [say(long), "messages", "context_length_exceeded"],
  [{ messages: [user], tools: {} }, "tools", "invalid_type"],
  [{ messages: [user], tools: ["x"] }, "tools[0]", "invalid_type"],
  [
    { messages: [user], tools: [{ type: "browser" }] },
    "tools[0]",
    "invalid_type",
  ],
  [
    { messages: [user], tools: [tool({})] },
    "tools[0].function.name",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [tool({ name: "a b" })] },
    "tools[0].function.name",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [tool({ name: "x".repeat(65) })] },
    "tools[0].function.name",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [weather, weather] },
    "tools[1].function.name",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [tool({ name: "x", parameters: 5 })] },
    "tools[0].function.parameters",
    "invalid_type",
  ],
  [
    { messages: [user], tools: Array(129).fill(weather) },
    "tools",
    "array_above_max_length",
  ],
  [
    {
      messages: [user],
      tools: [tool({ name: "x", parameters: { type: "wizard" } })],
      tool_choice: "required",
    },
    "tools",
    "bad_grammar",
  ],
  [
    { messages: [user], tool_choice: "required" },
    "tool_choice",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [weather], tool_choice: "perhaps" },
    "tool_choice",
    "invalid_value",
  ],
  [
    {
      messages: [user],
      tools: [weather],
      tool_choice: tool({ name: "clock" }),
    },
    "tool_choice.function.name",
    "invalid_value",
  ],
  [
    {
      messages: [user],
      tools: [weather],
      tool_choice: { type: "allowed_tools", allowed_tools: {} },
    },
    "tool_choice.allowed_tools.tools",
    "invalid_type",
  ],
  [
    {
      messages: [user],
      tools: [weather],
      tool_choice: { type: "allowed_tools", allowed_tools: { tools: [{}] } },
    },
    "tool_choice.allowed_tools.tools",
    "invalid_value",
  ],
  [
    { messages: [user], tools: [weather], parallel_tool_calls: 1 },
    "parallel_tool_calls",
    "invalid_type",
  ],
  [
    { messages: [user], tools: [weather], grammar: "start: /a/" },
    "grammar",
    "invalid_value",
  ],
  [{ messages: [user], logprobs: 3 }, "logprobs", "invalid_type"],
  [{ messages: [user], top_logprobs: 2 }, "top_logprobs", "invalid_value"],
  [
    { messages: [user], logprobs: true, top_logprobs: 21 },
    "top_logprobs",
    "integer_above_max_value",
  ],
  [
    { messages: [user], logprobs: true, top_logprobs: -1 },
    "top_logprobs",
    "integer_below_min_value",
  ],
  [
    { messages: [user], max_completion_tokens: 0 },
    "max_completion_tokens",
    "integer_below_min_value",
  ],
  [
    { messages: [user], functions: [{ name: "f" }] },
    "functions",
    "unsupported_parameter",
  ],
  [
    { messages: [user], function_call: "auto" },
    "function_call",
    "unsupported_parameter",
  ],
  [
    { messages: [user], modalities: ["audio"] },
    "modalities",
    "unsupported_parameter",
  ],
  [
    { messages: [user], audio: { voice: "x" } },
    "audio",
    "unsupported_parameter",
  ],
  [
    { messages: [user], web_search_options: {} },
    "web_search_options",
    "unsupported_parameter",
  ],
  [
    { messages: [user], reasoning_effort: "much" },
    "reasoning_effort",
    "invalid_value",
  ],
  [
    { messages: [user], chat_template_kwargs: "x" },
    "chat_template_kwargs",
    "invalid_type",
  ],
  [
    { messages: [user], context_overflow: "shift" },
    "context_overflow",
    "invalid_value",
  ],
  ...SAMPLING.map(([fields, ...said]) => [
    { messages: [user], ...fields },
    ...said,
  ]),
];

const TEXT = [
  [null, null, "invalid_type"],
  [{}, "prompt", "missing_required_parameter"],
  [{ prompt: 5 }, "prompt", "invalid_type"],
  [{ prompt: [] }, "prompt", "invalid_type"],
  [{ prompt: {} }, "prompt", "invalid_type"],
  [{ prompt: [-1] }, "prompt[0]", "invalid_type"],
  [{ prompt: [1.5] }, "prompt[0]", "invalid_type"],
  [{ prompt: [99999999] }, "prompt[0]", "invalid_type"],
  [{ prompt: ["x", 5] }, "prompt[1]", "invalid_type"],
  [{ prompt: [[5], []] }, "prompt[1]", "invalid_type"],
  [{ prompt: Array(65).fill("x") }, "prompt", "invalid_type"],
  [{ prompt: long }, "prompt", "context_length_exceeded"],
  [{ prompt: "x", suffix: "y" }, "suffix", "unsupported_parameter"],
  [{ prompt: "x", best_of: 2 }, "best_of", "unsupported_parameter"],
  [{ prompt: "x", echo: "yes" }, "echo", "invalid_type"],
  [{ prompt: "x", logprobs: 6 }, "logprobs", "integer_above_max_value"],
  [{ prompt: "x", logprobs: true }, "logprobs", "invalid_type"],
  ...SAMPLING.map(([fields, ...said]) => [{ prompt: "x", ...fields }, ...said]),
];

const EMBEDDINGS = [
  [null, null, "invalid_type"],
  [{}, "input", "missing_required_parameter"],
  [{ input: null }, "input", "missing_required_parameter"],
  [{ input: "" }, "input", "invalid_type"],
  [{ input: [] }, "input", "invalid_type"],
  [{ input: ["x", ""] }, "input", "invalid_type"],
  [{ input: [1, 2] }, "input", "invalid_type"],
  [{ input: {} }, "input", "invalid_type"],
  [{ input: Array(2049).fill("x") }, "input", "invalid_type"],
  [{ input: "x", encoding_format: "hex" }, "encoding_format", "invalid_value"],
  [{ input: "x", dimensions: 0 }, "dimensions", "integer_below_min_value"],
  [{ input: "x", dimensions: "8" }, "dimensions", "invalid_type"],
  [{ input: "x", dimensions: 1e6 }, "dimensions", "invalid_value"],
  [{ input: "x", pooling: "max" }, "pooling", "invalid_value"],
];

/** Route → rows of [body, param, code]. */
export const WRONG_REQUESTS = {
  "/chat/completions": CHAT,
  "/completions": TEXT,
  "/embeddings": EMBEDDINGS,
};

/** [method, path, body, status, code] of what is no request at all. */
export const WRONG_FETCHES = [
  ["GET", "/chat/completions", undefined, 405, "method_not_allowed"],
  ["DELETE", "/completions", undefined, 405, "method_not_allowed"],
  ["PUT", "/embeddings", "{}", 405, "method_not_allowed"],
  ["POST", "/models", "{}", 405, "method_not_allowed"],
  ["POST", "/chat/completions", "", 400, "invalid_json"],
  ["POST", "/chat/completions", "{", 400, "invalid_json"],
  ["POST", "/completions", "\u0000", 400, "invalid_json"],
  ["POST", "/chat/completions", "5", 400, "invalid_type"],
  ["POST", "/images/generations", "{}", 404, "unknown_url"],
  ["POST", "/audio/speech", "{}", 404, "unknown_url"],
  ["GET", "/", undefined, 404, "unknown_url"],
  ["GET", "/models/none", undefined, 404, "model_not_found"],
  ["GET", "/models/%E0%A4%A", undefined, 404, "model_not_found"],
];
