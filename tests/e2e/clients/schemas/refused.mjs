// JSON Schemas that are refused, with a word that the refusal has to say. No behaviour.

import { z } from "zod";
import { array, format, integer, object, pattern, string } from "./words.mjs";

const nested = (levels) =>
  Array.from({ length: levels }).reduce((inner) => array(inner), true);

/** [name, schema, what the message names] */
export const REFUSED = [
  // Keywords that nothing here holds a reply to.
  ["not", { not: { type: "string" } }, /not/],
  ["if", { if: { type: "string" }, then: { maxLength: 3 } }, /if|then/],
  ["unique items", array(integer(), { uniqueItems: true }), /uniqueItems/],
  ["contains", array({}, { contains: { const: 1 } }), /contains/],
  [
    "dependent keys",
    object({ a: {} }, { dependentRequired: { a: ["b"] } }),
    /dependentRequired/,
  ],
  [
    "dependent schemas",
    object({ a: {} }, { dependentSchemas: { a: {} } }),
    /dependentSchemas/,
  ],
  [
    "dependencies",
    object({ a: {} }, { dependencies: { a: ["b"] } }),
    /dependencies/,
  ],
  [
    "unevaluated keys",
    { type: "object", unevaluatedProperties: false },
    /unevaluatedProperties/,
  ],
  [
    "unevaluated items",
    { type: "array", unevaluatedItems: false },
    /unevaluatedItems/,
  ],
  [
    "names by length",
    { type: "object", propertyNames: { maxLength: 3 } },
    /propertyNames/,
  ],
  [
    "names beside named keys",
    { type: "object", properties: { a: {} }, propertyNames: { pattern: "^a" } },
    /propertyNames/,
  ],
  ["dynamic references", { $dynamicRef: "#node" }, /dynamicRef/],
  ["deep inside", object({ a: array({ anyOf: [{ not: {} }] }) }), /not/],
  // What cannot be told apart or counted.
  ["one of overlapping", { oneOf: [integer(), { type: "number" }] }, /oneOf/],
  [
    "one of overlapping objects",
    {
      oneOf: [
        { type: "object", required: ["a"] },
        { type: "object", required: ["b"] },
      ],
    },
    /oneOf/,
  ],
  [
    "several of several",
    object({ a: {}, b: {}, c: {} }, { required: [], minProperties: 2 }),
    /minProperties/,
  ],
  ["two free keys", { type: "object", minProperties: 2 }, /minProperties/],
  // Words of other validators.
  ["unknown format", format("licence-plate"), /licence-plate/],
  ["unknown type", { type: "text" }, /text/],
  ["pattern that looks ahead", pattern("^(?=a)b"), /look/],
  ["zod's durations", z.toJSONSchema(z.iso.duration()), /look/],
  ["pattern that looks behind", pattern("(?<!a)b"), /look/],
  ["pattern that goes back", pattern("^(a)\\1$"), /backreference/],
  ["pattern with a border of words", pattern("\\bword\\b"), /./],
  ["pattern that is none", pattern("("), /./],
  ["pattern with an open class", pattern("[a"), /closed/],
  ["pattern that ends in a backslash", pattern("a\\"), /backslash/],
  // References that lead nowhere.
  ["a place that is not there", { $ref: "#/$defs/none" }, /none/],
  [
    "another document",
    { $ref: "https://example.com/schema.json" },
    /example\.com/,
  ],
  [
    "a name",
    { $ref: "#point", $defs: { point: { $anchor: "point" } } },
    /#point/,
  ],
  ["itself and nothing else", { $ref: "#" }, /./],
  [
    "each other and nothing else",
    {
      $ref: "#/$defs/a",
      $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } },
    },
    /./,
  ],
  // What nothing satisfies.
  ["false", object({ a: false }), /a/],
  ["no option", { enum: [] }, /./],
  ["no alternative", { anyOf: [] }, /./],
  ["bounds that cross", integer({ minimum: 3, maximum: 2 }), /./],
  ["an open gap", integer({ exclusiveMinimum: 3, exclusiveMaximum: 4 }), /./],
  ["lengths that cross", string({ minLength: 3, maxLength: 2 }), /minLength/],
  ["items that cross", array({}, { minItems: 3, maxItems: 2 }), /./],
  [
    "keys that cross",
    { type: "object", required: ["a", "b"], maxProperties: 1 },
    /./,
  ],
  ["types that exclude each other", { allOf: [string(), integer()] }, /./],
  [
    "constants that exclude each other",
    { allOf: [{ const: 1 }, { const: 2 }] },
    /./,
  ],
  ["a constant of another type", { type: "string", const: 5 }, /./],
  [
    "a constant against its pattern",
    { allOf: [{ const: "b" }, pattern("^a$")] },
    /./,
  ],
  ["a key that is closed out", { ...object({ a: {} }), required: ["b"] }, /b/],
  // What is no schema.
  ["a word as lengths", string({ maxLength: "3" }), /maxLength/],
  ["a negative length", string({ minLength: -1 }), /minLength/],
  ["a list as properties", { type: "object", properties: [] }, /properties/],
  ["a word as required", { type: "object", required: "a" }, /required/],
  ["a number as a key", { type: "object", required: [5] }, /required/],
  ["an object as enum", { enum: { a: 1 } }, /enum/],
  ["an object as any of", { anyOf: {} }, /anyOf/],
  ["a number as items", { type: "array", items: 5 }, /./],
  ["a number as a type", { type: 5 }, /type/],
  ["a number as a reference", { $ref: 5 }, /\$ref/],
  ["a word as a bound", integer({ minimum: "3" }), /minimum/],
  ["a number as a pattern", string({ pattern: 5 }), /pattern/],
  // What is too much.
  ["nested without end", nested(200), /./],
  ["a length beyond counting", string({ minLength: 2 ** 53 }), /./],
];
