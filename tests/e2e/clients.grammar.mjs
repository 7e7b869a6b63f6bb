// Grammars in their wasm module, with the real vocabulary and without a model's opinion: whatever is drawn under a mask is what the grammar says.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { Draws, seeded } from "./clients/draw.mjs";
import { DIST, LIMIT } from "./package/stage.mjs";

describe("grammars", LIMIT, () => {
  let draws;

  before(async () => {
    draws = await Draws.open();
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
        const text = draws.draw({ type: "gbnf", source }, random);
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
          const constraint = draws.constrain(grammar);
          constraint.mask();
        },
        { code: "bad_grammar" },
        JSON.stringify(grammar).slice(0, 80),
      );
      assert.ok(performance.now() - beganAt < 5000);
    }
    const text = draws.draw({ type: "choice", choices: ["yes"] }, seeded(3));
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
