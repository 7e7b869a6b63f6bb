// JSON Schemas by the hundred: whatever a reply under one of them says, it parses and validates; and what cannot be held to is refused.

import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
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
const DRAWS = FULL ? 30 : 4;
/** Of those whose replies may be of any length, so many have to end. */
const ENDING = 0.9;

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

const ZOD_FORMATS = ["nanoid", "cuid2", "ulid", "base64", "e164"];

describe("JSON Schemas", LIMIT, () => {
  let draws;
  const compile = validators();

  before(async () => {
    draws = await Draws.open();
  });

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
    const ended = check(PAIRS, FULL ? 8 : 1, seeded(2));
    assert.ok(ended > PAIRS.length * (FULL ? 8 : 1) * ENDING);
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

  test("the model itself under schemas: whole replies validate, cut ones say so", async (context) => {
    const url = pathToFileURL(join(DIST, "node.js")).href;
    const { Smidgen } = await import(url);
    const llm = await Smidgen.load(MODEL);
    context.after(() => llm.unload());
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
