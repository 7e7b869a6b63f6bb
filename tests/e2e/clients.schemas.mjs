// JSON Schemas by the hundred: whatever a reply under one of them says, it parses and validates; and what cannot be held to is refused.

import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { Draws, seeded } from "./clients/draw.mjs";
import { REFUSED } from "./clients/schemas/refused.mjs";
import { STRUCTURES } from "./clients/schemas/structures.mjs";
import { VALUES } from "./clients/schemas/values.mjs";
import { array, object } from "./clients/schemas/words.mjs";
import { ZOD } from "./clients/schemas/zod.mjs";
import { DIST, LIMIT, MODEL } from "./package/stage.mjs";

const FULL = Boolean(process.env.SMIDGEN_FULL);
/** Replies drawn for each schema. */
const DRAWS = FULL ? 60 : 8;
/** Of those whose replies may be of any length, so many have to end. */
const ENDING = 0.9;
/** And for each pair of schemas. */
const PAIR_DRAWS = FULL ? 30 : 3;

const WRITTEN = Object.entries({ ...VALUES, ...STRUCTURES });
const OF_ZOD = Object.entries(ZOD).map(([name, schema]) => [
  `zod: ${name}`,
  z.toJSONSchema(schema),
  schema,
]);
const SCHEMAS = [...WRITTEN, ...OF_ZOD];

/** Each of them inside another: their grammars meet what stands around them. */
const PAIRS = WRITTEN.flatMap(([name, schema], index) => {
  const [other, second] = WRITTEN[(index * 7 + 3) % WRITTEN.length];
  // References name places in the document, and these are moved.
  if (/"\$ref"/.test(JSON.stringify([schema, second]))) return [];
  const items = array(strip(second), { maxItems: 2 });
  return [
    [`${name}, ${other}`, object({ first: strip(schema), "2nd key": items })],
  ];
});

function strip({ $schema, ...schema }) {
  // Tuples of draft 7 mean nothing inside a later draft.
  return $schema ? { type: "null" } : schema;
}

function validators() {
  const options = {
    strict: false,
    // Hundredths are no binary fractions.
    multipleOfPrecision: 6,
  };
  const [draft7, latest] = [new Ajv(options), new Ajv2020(options)];
  for (const ajv of [draft7, latest]) {
    addFormats.default(ajv);
    // Of zod, with a pattern beside each.
    for (const name of ["licence-plate", ...ZOD_FORMATS]) {
      ajv.addFormat(name, true);
    }
  }
  return (schema) =>
    (schema.$schema?.includes("draft-07") ? draft7 : latest).compile(schema);
}

const ZOD_FORMATS = [
  "base64",
  "cuid2",
  "e164",
  "ends_with",
  "includes",
  "lowercase",
  "nanoid",
  "starts_with",
  "ulid",
];

describe("JSON Schemas", LIMIT, () => {
  let draws;
  let llm;
  const compile = validators();

  before(async () => {
    draws = await Draws.open();
    const url = pathToFileURL(join(DIST, "node.js")).href;
    const { Smidgen } = await import(url);
    llm = await Smidgen.load(MODEL);
  });
  after(() => llm?.unload());

  /** Draws replies under each schema; how many ended. */
  function check(schemas, times, random) {
    let ended = 0;
    const wrong = [];
    for (const [name, schema, zod] of schemas) {
      const validate = compile(schema);
      for (let n = 0; n < times; n++) {
        let text;
        try {
          text = draws.draw({ type: "json_schema", schema }, random);
        } catch (error) {
          wrong.push(`${name}: ${error.message}`);
          break;
        }
        if (text === undefined) continue;
        ended++;
        const problem = problemOf(text, validate, zod);
        if (problem) wrong.push(`${name}: ${text}: ${problem}`);
      }
    }
    assert.deepEqual(wrong, []);
    return ended;
  }

  test(`${SCHEMAS.length} schemas: every reply parses and validates`, () => {
    assert.ok(WRITTEN.length >= 200);
    const ended = check(SCHEMAS, DRAWS, seeded(1));
    assert.ok(
      ended > SCHEMAS.length * DRAWS * ENDING,
      `only ${ended} of ${SCHEMAS.length * DRAWS} replies ended`,
    );
  });

  test(`${PAIRS.length} schemas made of two`, () => {
    const ended = check(PAIRS, PAIR_DRAWS, seeded(2));
    assert.ok(ended > PAIRS.length * PAIR_DRAWS * ENDING);
  });

  test(`${REFUSED.length} schemas are refused, and say why`, () => {
    const wrong = [];
    for (const [name, schema, said] of REFUSED) {
      const startedAt = performance.now();
      let error;
      try {
        const constraint = draws.constrain({ type: "json_schema", schema });
        constraint.mask();
        constraint.free();
      } catch (thrown) {
        error = thrown;
      }
      const took = performance.now() - startedAt;
      const right = error?.code === "bad_grammar" && said.test(error.message);
      if (!right || took > 10_000) {
        wrong.push(`${name}: ${error ?? "taken"} (${took.toFixed()} ms)`);
      }
    }
    assert.deepEqual(wrong, []);
    const text = draws.draw(
      { type: "json_schema", schema: { const: "still here" } },
      seeded(3),
    );
    assert.equal(text, '"still here"');
  });

  test("the model itself under schemas: whole replies validate, cut ones say so", async () => {
    const chosen = SCHEMAS.filter((_, index) => FULL || index % 9 === 0);
    const ask = async ([name, schema, zod], index) => {
      const reply = await llm.chat.completions.create({
        messages: [{ role: "user", content: `Make something up: ${name}.` }],
        response_format: {
          type: "json_schema",
          json_schema: { name: "reply", schema },
        },
        temperature: index % 3 === 0 ? 0 : 1,
        seed: index,
        max_tokens: 160,
      });
      const [{ message, finish_reason }] = reply.choices;
      if (finish_reason === "length") return false;
      assert.equal(finish_reason, "stop");
      const problem = problemOf(message.content, compile(schema), zod);
      assert.equal(problem, undefined, `${name}: ${message.content}`);
      return true;
    };
    const ended = await Promise.all(chosen.map(ask));
    const whole = ended.filter(Boolean).length;
    assert.ok(whole >= 20, `${whole} of ${chosen.length} ended by themselves`);
  });

  test("tools whose definitions have the same names keep their own", async () => {
    const described = (name, entry) => ({
      type: "function",
      function: {
        name,
        parameters: object(
          { entry: { $ref: "#/$defs/Entry" } },
          { $defs: { Entry: entry } },
        ),
      },
    });
    const tools = [
      described("first", { enum: ["red", "green"] }),
      described("second", object({ at: { type: "integer", maximum: 9 } })),
      described("third", { type: "boolean" }),
    ];
    for (const { function: wanted } of tools) {
      const reply = await llm.chat.completions.create({
        messages: [{ role: "user", content: "Call it." }],
        tools,
        tool_choice: { type: "function", function: { name: wanted.name } },
        parallel_tool_calls: false,
        temperature: 1,
        seed: 3,
      });
      const [call] = reply.choices[0].message.tool_calls;
      assert.equal(call.function.name, wanted.name);
      const validate = compile(wanted.parameters);
      const problem = problemOf(call.function.arguments, validate);
      assert.equal(problem, undefined, call.function.arguments);
    }
    const any = await llm.chat.completions.create({
      messages: [{ role: "user", content: "Call one." }],
      tools,
      tool_choice: "required",
      temperature: 1,
      seed: 4,
    });
    for (const { function: made } of any.choices[0].message.tool_calls) {
      const { parameters } = tools.find(
        (tool) => tool.function.name === made.name,
      ).function;
      const problem = problemOf(made.arguments, compile(parameters));
      assert.equal(problem, undefined, made.arguments);
    }
  });
});

/** What is wrong with a reply, if anything is. */
function problemOf(text, validate, zod) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return error.message;
  }
  if (!validate(value)) return JSON.stringify(validate.errors);
  const parsed = zod?.safeParse(value);
  return parsed?.success === false ? parsed.error.message : undefined;
}
