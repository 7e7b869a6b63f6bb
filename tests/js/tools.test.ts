// Tool calls in every notation that models use, whole and cut anywhere; thoughts; and what is no call after all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRequest, RequestError } from "../../src/js/openai-request.ts";
import { ReplyParts, type ReplyPart } from "../../src/js/reply-parts.ts";
import { parseCalls } from "../../src/js/tool-calls.ts";
import { formatOf, TOOL_FORMATS } from "../../src/js/tool-formats.ts";

const format = (name: string) =>
  TOOL_FORMATS.find((format) => format.name === name);

const model = (chatTemplate: string) => ({ chatTemplate, vocabSize: 100 });

interface Seen {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: unknown }[];
}

function summary(parts: ReplyPart[]): Seen {
  const seen: Seen = { content: "", reasoning: "", calls: [] };
  const written: string[] = [];
  for (const part of parts) {
    if (part.type === "call") {
      assert.equal(part.index, seen.calls.length);
      seen.calls.push({ name: part.name, arguments: undefined });
      written.push("");
    } else if (part.type === "arguments") {
      written[part.index] += part.text;
    } else {
      seen[part.type] += part.text;
    }
  }
  seen.calls.forEach((call, index) => {
    call.arguments = JSON.parse(written[index]!);
  });
  return seen;
}

/** The parts of a text that comes in pieces of `size`. */
function streamed(text: string, name: string | undefined, size: number): Seen {
  const parts = new ReplyParts(name ? format(name) : undefined, "");
  const all: ReplyPart[] = [];
  for (let at = 0; at < text.length; at += size) {
    all.push(...parts.push(text.slice(at, at + size)));
  }
  return summary([...all, ...parts.end()]);
}

const weather = { name: "weather", arguments: { city: 'Oslo {"}', days: 2 } };
const json = JSON.stringify(weather);
const clock = { name: "clock", arguments: {} };

const cases: [string, string | undefined, string, Seen][] = [
  [
    "Hermes, after a sentence",
    "hermes",
    `Let me look.\n<tool_call>\n${json}\n</tool_call>`,
    { content: "Let me look.\n", reasoning: "", calls: [weather] },
  ],
  [
    "Hermes, two calls after thoughts",
    "hermes",
    `<think>\nhm < 3\n</think>\n\n<tool_call>\n${json}\n</tool_call>\n<tool_call>\n${JSON.stringify(clock)}\n</tool_call>`,
    { content: "", reasoning: "\nhm < 3\n", calls: [weather, clock] },
  ],
  [
    "Qwen's coder tags",
    "hermes",
    "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>",
    {
      content: "",
      reasoning: "",
      calls: [{ name: "weather", arguments: { city: "Oslo", days: 2 } }],
    },
  ],
  [
    "Mistral's array",
    "mistral",
    `[TOOL_CALLS][${json}, ${JSON.stringify(clock)}]`,
    { content: "", reasoning: "", calls: [weather, clock] },
  ],
  [
    "Mistral's names before arguments",
    "mistral",
    '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]clock[ARGS]{}',
    {
      content: "",
      reasoning: "",
      calls: [{ name: "weather", arguments: { city: "Oslo" } }, clock],
    },
  ],
  [
    "Llama 3's bare JSON",
    "llama3",
    '{"name": "weather", "parameters": {"city": "Oslo"}}',
    {
      content: "",
      reasoning: "",
      calls: [{ name: "weather", arguments: { city: "Oslo" } }],
    },
  ],
  [
    "Llama 3's marker, two calls",
    "llama3",
    '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}; {"name": "clock", "parameters": {}}',
    {
      content: "",
      reasoning: "",
      calls: [{ name: "weather", arguments: { city: "Oslo" } }, clock],
    },
  ],
  [
    "LFM2's Python",
    "lfm2",
    '<|tool_call_start|>[weather(city="Oslo", days=2, deep={"a": [True, None, -1.5e3]}), clock()]<|tool_call_end|>Done.',
    {
      content: "Done.",
      reasoning: "",
      calls: [
        {
          name: "weather",
          arguments: {
            city: "Oslo",
            days: 2,
            deep: { a: [true, null, -1500] },
          },
        },
        clock,
      ],
    },
  ],
  [
    "a plain template's Python",
    "plain",
    "[weather(city='Os\\'lo')]",
    {
      content: "",
      reasoning: "",
      calls: [{ name: "weather", arguments: { city: "Os'lo" } }],
    },
  ],
  [
    "no call after all",
    "llama3",
    '{"city": "Oslo"} is JSON',
    { content: '{"city": "Oslo"} is JSON', reasoning: "", calls: [] },
  ],
  [
    "a broken call is shown",
    "hermes",
    "x <tool_call>nonsense</tool_call> y",
    {
      content: "x <tool_call>nonsense</tool_call> y",
      reasoning: "",
      calls: [],
    },
  ],
  [
    "without tools markup is text",
    undefined,
    `a <tool_call>${json}</tool_call>`,
    {
      content: `a <tool_call>${json}</tool_call>`,
      reasoning: "",
      calls: [],
    },
  ],
];

for (const [name, family, text, expected] of cases) {
  test(`${name}: the same in pieces of any size`, () => {
    for (let size = 1; size <= text.length; size++) {
      assert.deepEqual(streamed(text, family, size), expected, `size ${size}`);
    }
  });
}

test("arguments come while they are written", () => {
  const parts = new ReplyParts(format("hermes"), "");
  const first = parts.push('<tool_call>\n{"name": "f", "arguments": {"a": "on');
  assert.deepEqual(
    first.map((part) => part.type),
    ["call", "arguments"],
  );
  assert.deepEqual(parts.push('e"'), [
    { type: "arguments", index: 0, text: 'e"' },
  ]);
});

test("thoughts that the prompt has opened", () => {
  const parts = new ReplyParts(undefined, "<|im_start|>assistant\n<think>\n");
  const all = [
    ...parts.push("Hm.</th"),
    ...parts.push("ink>Yes"),
    ...parts.end(),
  ];
  assert.deepEqual(summary(all), {
    content: "Yes",
    reasoning: "Hm.",
    calls: [],
  });
});

test("control tokens are text only where they are markup", () => {
  const parts = new ReplyParts(format("mistral"), "");
  const all = [
    ...parts.push("", "[IMG]"),
    ...parts.push("", "[TOOL_CALLS]"),
    ...parts.push(`[${json}]`),
    ...parts.end(),
  ];
  assert.deepEqual(summary(all).calls, [weather]);
});

test("garbage of any kind is no call and takes no time", () => {
  const garbage = [
    "",
    "[",
    "{",
    "f(",
    "f(a=",
    "[".repeat(10_000),
    `f(a=${"[".repeat(10_000)}`,
    `{"name": "f", "arguments": ${"[".repeat(10_000)}`,
    '{"name": 5}',
    '{"name": "f", "arguments": 5}',
    "null",
    "f(__proto__=)",
  ];
  for (const text of garbage) {
    assert.equal(parseCalls(text), undefined, text.slice(0, 40));
  }
});

test("families are told by their templates", () => {
  const families: [string, string][] = [
    ["{% if tools %}<tool_call>{% endif %}", "hermes"],
    ["[AVAILABLE_TOOLS]{{ tools }} [TOOL_CALLS]", "mistral"],
    ["{% if tools %}<|python_tag|>", "llama3"],
    ["<|tool_list_start|>{{ tools }}", "lfm2"],
    ["{% for tool in tools %}", "plain"],
    ["{{ messages[0].content }}", "generic"],
  ];
  for (const [template, name] of families) {
    assert.equal(formatOf(template).name, name);
  }
});

const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      description: "The weather",
      parameters: { type: "object", properties: { city: { type: "string" } } },
    },
  },
];
const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Weather?" },
  {
    role: "assistant",
    content: null,
    tool_calls: [
      {
        id: "1",
        type: "function",
        function: { name: "weather", arguments: '{"city":"Oslo"}' },
      },
    ],
  },
  { role: "tool", tool_call_id: "1", content: "Rain." },
];

test("a template that knows tools gets them, calls as objects", () => {
  const { generate } = parseRequest({ messages, tools }, model("{{ tools }}"));
  assert.deepEqual(generate.tools, tools);
  assert.deepEqual(generate.messages?.[2]?.tool_calls?.[0]?.function, {
    name: "weather",
    arguments: { city: "Oslo" },
  });
  assert.equal(generate.messages?.[3]?.tool_call_id, "1");
});

test("a template that knows none is told in words", () => {
  const { generate } = parseRequest({ messages, tools }, model(""));
  assert.equal(generate.tools, undefined);
  const [system, , call, result] = generate.messages!;
  assert.match(system!.content, /^Be brief\.\n\n.*"weather"/s);
  assert.match(call!.content, /^<tool_call>\n.*"Oslo".*<\/tool_call>$/s);
  assert.deepEqual(result, {
    role: "user",
    content: "<tool_response>\nRain.\n</tool_response>",
  });
});

test("wrong tools and choices are refused with their place", () => {
  const wrong: [object, string][] = [
    [{ tools: [{ type: "function" }] }, "tools[0]"],
    [
      { tools: [{ type: "function", function: { name: "a b" } }] },
      "tools[0].function.name",
    ],
    [{ tools: [...tools, ...tools] }, "tools[1].function.name"],
    [
      {
        tools,
        tool_choice: { type: "function", function: { name: "clock" } },
      },
      "tool_choice.function.name",
    ],
    [{ tools, tool_choice: "perhaps" }, "tool_choice"],
    [{ tools, parallel_tool_calls: 1 }, "parallel_tool_calls"],
    [{ tools, grammar: "root ::= [a-z]" }, "grammar"],
  ];
  for (const [fields, param] of wrong) {
    assert.throws(
      () => parseRequest({ messages, ...fields }, model("{{ tools }}")),
      (error: RequestError) => error.param === param && error.status === 400,
      param,
    );
  }
});
