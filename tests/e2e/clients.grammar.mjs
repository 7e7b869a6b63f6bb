// Grammars in their wasm module, with the real vocabulary and without a model's opinion: whatever is drawn under a mask satisfies the schema.

import { Ajv2020 } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { DIST, LIMIT, MODEL } from "./package/stage.mjs";

/** Draws for each schema; each is a whole reply. */
const DRAWS = process.env.SMIDGEN_FULL ? 20 : 3;
/** A reply that is longer is not looked at: random tokens never end a free text by themselves. */
const MAX_TOKENS = 400;

/** An even sequence that every run repeats. */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const string = { type: "string", maxLength: 6 };
const integer = { type: "integer", minimum: -5, maximum: 40 };
const closed = (properties, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

/** Building blocks of schemas; every pair of them is put together. */
const BLOCKS = {
  string,
  integer,
  boolean: { type: "boolean" },
  null: { type: "null" },
  number: { type: "number", minimum: 0, maximum: 1 },
  enum: { enum: ["red", 'gr"een', 3, null, true] },
  const: { const: { a: [1, "two"] } },
  pattern: { type: "string", pattern: "^[a-f]{2,4}-\\d{2}$" },
  date: { type: "string", format: "date" },
  array: { type: "array", items: integer, minItems: 1, maxItems: 4 },
  tuple: {
    type: "array",
    prefixItems: [string, integer],
    items: false,
    minItems: 2,
  },
  nested: closed({ deep: closed({ deeper: string }) }),
  optional: closed({ a: string, b: integer, c: { type: "boolean" } }, ["b"]),
  any: { anyOf: [string, integer, closed({ x: integer })] },
  union: { type: ["string", "integer"], maxLength: 4, minimum: 0, maximum: 9 },
  bounded: { type: "string", minLength: 2, maxLength: 3 },
  exclusive: { type: "integer", exclusiveMinimum: 10, exclusiveMaximum: 13 },
};

const names = Object.keys(BLOCKS);
const SCHEMAS = [
  ...names.map((name) => [name, closed({ value: BLOCKS[name] })]),
  ...names.flatMap((a) =>
    names.map((b) => [
      `${a} and ${b}`,
      closed(
        {
          first: BLOCKS[a],
          "second key": { type: "array", items: BLOCKS[b], maxItems: 2 },
        },
        ["first"],
      ),
    ]),
  ),
  [
    "recursive",
    {
      $ref: "#/$defs/tree",
      $defs: {
        tree: closed({
          name: string,
          children: {
            type: "array",
            items: { $ref: "#/$defs/leaf" },
            maxItems: 2,
          },
        }),
        leaf: closed({ name: string }),
      },
    },
  ],
];

describe("grammars", LIMIT, () => {
  let vocabulary;
  let tokens;
  let stops;

  before(async () => {
    const engine = await import(join(DIST, "wasm/simd128/smidgen.js"));
    await engine.default({
      module_or_path: await readFile(
        join(DIST, "wasm/simd128/smidgen_bg.wasm"),
      ),
    });
    const loader = new engine.Loader("{}");
    const file = await readFile(MODEL);
    for (let at = 0; at < file.length; at += 1 << 20) {
      loader.push(file.subarray(at, at + (1 << 20)));
    }
    const packed = loader.finish().vocabulary();
    const view = new DataView(packed.buffer, packed.byteOffset);
    const [count, ends] = [view.getUint32(0, true), view.getUint32(4, true)];
    stops = new Set(
      Array.from({ length: ends }, (_, i) => view.getUint32(8 + 4 * i, true)),
    );
    tokens = [];
    for (let id = 0, at = 8 + 4 * ends; id < count; id++) {
      const length = view.getUint32(at, true) & 0x7fffffff;
      tokens.push(Buffer.from(packed.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    const grammar = await import(join(DIST, "wasm/grammar/smidgen.js"));
    await grammar.default({
      module_or_path: await readFile(
        join(DIST, "wasm/grammar/smidgen_bg.wasm"),
      ),
    });
    vocabulary = new grammar.Vocabulary(packed);
  });

  /** One reply of tokens drawn at random among those allowed; undefined where it did not end. */
  function draw(grammar, random) {
    const constraint = vocabulary.constrain(JSON.stringify(grammar));
    const bytes = [];
    try {
      for (let n = 0; n < MAX_TOKENS; n++) {
        const mask = constraint.mask();
        const allowed = [];
        mask.forEach((word, index) => {
          for (let bits = word; bits !== 0; bits &= bits - 1) {
            allowed.push(index * 32 + 31 - Math.clz32(bits & -bits));
          }
        });
        assert.ok(allowed.length > 0, "an empty mask");
        const ending = allowed.filter((id) => stops.has(id));
        const id =
          ending.length > 0 && random() < 0.5
            ? ending[0]
            : allowed[Math.floor(random() * allowed.length)];
        if (stops.has(id)) return Buffer.concat(bytes).toString();
        bytes.push(tokens[id]);
        constraint.accept(id);
      }
      return undefined;
    } finally {
      constraint.free();
    }
  }

  test(`${SCHEMAS.length} schemas: every reply parses and validates`, () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const random = seeded(1);
    let ended = 0;
    for (const [name, schema] of SCHEMAS) {
      const validate = ajv.compile(schema);
      for (let n = 0; n < DRAWS; n++) {
        const text = draw({ type: "json_schema", schema }, random);
        if (text === undefined) continue;
        ended++;
        const value = JSON.parse(text);
        assert.ok(
          validate(value),
          `${name}: ${text}: ${JSON.stringify(validate.errors)}`,
        );
      }
    }
    assert.ok(
      ended > SCHEMAS.length * DRAWS * 0.95,
      `only ${ended} of ${SCHEMAS.length * DRAWS} replies ended`,
    );
  });

  test("GBNF means what llama.cpp means by it", () => {
    const cases = [
      ['root ::= "a" | "b"', /^[ab]$/],
      ['root ::= ("x" | [0-9])+ "."', /^[x0-9]+\.$/],
      [
        'root ::= digit{2,3} "-"? digit*\ndigit ::= [0-7]',
        /^[0-7]{2,3}-?[0-7]*$/,
      ],
      [
        'root ::= Other other\nOther ::= "A"\nother ::= "b" # no comment\n',
        /^Ab$/,
      ],
      [
        'root ::=\n  "one" |\n  two-words\ntwo-words ::= "two" " " "words"',
        /^(one|two words)$/,
      ],
      ['root ::= "\\"" [^"\\\\\\n]{1,3} "\\""', /^"[^"\\\n]{1,3}"$/u],
      ['root ::= "\\x41" [\\u00e9-\\u00eb] "\\n"', /^A[\u00e9-\u00eb]\n$/],
      ["root ::= [a\\]\\-]{3}", /^[a\]-]{3}$/],
    ];
    const random = seeded(2);
    for (const [source, expected] of cases) {
      for (let n = 0; n < 4; n++) {
        const text = draw({ type: "gbnf", source }, random);
        if (text !== undefined) assert.match(text, expected, source);
      }
    }
  });

  test("what is no grammar is refused, soon, and the next one works", () => {
    const wrong = [
      {},
      { type: "wizard" },
      { type: "json_schema" },
      { type: "json_schema", schema: { type: "string", maxLength: -1 } },
      { type: "json_schema", schema: { $ref: "#/nowhere" } },
      {
        type: "json_schema",
        schema: { type: "integer", minimum: 3, maximum: 2 },
      },
      { type: "json_schema", schema: false },
      { type: "regex", pattern: "(" },
      { type: "regex", pattern: "(?=x)" },
      { type: "lark", source: "" },
      { type: "lark", source: "start: start" },
      { type: "gbnf", source: "" },
      { type: "gbnf", source: "root ::= missing" },
      { type: "gbnf", source: 'root ::= "open' },
      { type: "gbnf", source: "root ::= [z" },
      { type: "gbnf", source: "root ::= )" },
      { type: "choice", choices: [] },
      { type: "choice", choices: Array(5000).fill("x") },
      { type: "regex", pattern: "x".repeat(1 << 21) },
    ];
    for (const grammar of wrong) {
      const beganAt = performance.now();
      assert.throws(
        () => {
          const constraint = vocabulary.constrain(JSON.stringify(grammar));
          constraint.mask();
        },
        { code: "bad_grammar" },
        JSON.stringify(grammar).slice(0, 80),
      );
      assert.ok(performance.now() - beganAt < 5000);
    }
    const text = draw({ type: "choice", choices: ["yes"] }, seeded(3));
    assert.equal(text, "yes");
  });

  test("a packed vocabulary that is cut anywhere is refused", async () => {
    const { Vocabulary } = await import(join(DIST, "wasm/grammar/smidgen.js"));
    const packed = new Uint8Array([
      2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 65, 1, 0, 0, 128, 66,
    ]);
    new Vocabulary(packed).free();
    for (let length = 0; length < packed.length; length++) {
      assert.throws(() => new Vocabulary(packed.slice(0, length)), {
        code: "bad_grammar",
      });
    }
    const endless = packed.slice();
    endless.fill(255, 0, 4);
    assert.throws(() => new Vocabulary(endless), { code: "bad_grammar" });
  });
});
