// JSON Schemas of arrays, objects, unions and references by name, each of another shape. No behaviour.

import {
  array,
  draft7,
  format,
  integer,
  number,
  object,
  pattern,
  ref,
  string,
} from "./words.mjs";

const ARRAYS = {
  "array of strings": array(string({ maxLength: 5 }), { maxItems: 4 }),
  "array, unbounded": array(integer({ minimum: 0, maximum: 9 })),
  "array, empty": array(string(), { maxItems: 0 }),
  "array of one": array({ type: "boolean" }, { minItems: 1, maxItems: 1 }),
  "array of exactly three": array(integer({ minimum: 0, maximum: 5 }), {
    minItems: 3,
    maxItems: 3,
  }),
  "array of at least two": array({ enum: ["a", "b"] }, { minItems: 2 }),
  "array of arrays": array(array(integer({ minimum: 0, maximum: 3 })), {
    maxItems: 3,
  }),
  "matrix of two by two": array(
    array(number({ minimum: 0, maximum: 1 }), { minItems: 2, maxItems: 2 }),
    { minItems: 2, maxItems: 2 },
  ),
  "array of objects": array(object({ id: integer({ minimum: 1 }) }), {
    maxItems: 3,
  }),
  "array of unions": array(
    { anyOf: [{ type: "null" }, integer(), string({ maxLength: 3 })] },
    { maxItems: 4 },
  ),
  "array of anything": array({}, { maxItems: 2 }),
  "array that says it need not be unique": array(integer(), {
    uniqueItems: false,
    maxItems: 2,
  }),
  tuple: {
    type: "array",
    prefixItems: [string({ maxLength: 3 }), integer(), { type: "boolean" }],
    items: false,
    minItems: 3,
  },
  "tuple, shorter ones too": {
    type: "array",
    prefixItems: [{ const: "a" }, { const: "b" }],
    items: false,
  },
  "tuple and more": {
    type: "array",
    prefixItems: [{ const: "head" }],
    items: integer({ minimum: 0, maximum: 9 }),
    minItems: 2,
    maxItems: 4,
  },
  "tuple as draft 7 writes it": {
    ...draft7,
    type: "array",
    items: [{ const: 1 }, { type: "boolean" }],
    additionalItems: false,
    minItems: 2,
  },
  "tuple as draft 7 writes it, and more": {
    ...draft7,
    type: "array",
    items: [{ const: 1 }],
    additionalItems: { const: 2 },
    minItems: 1,
    maxItems: 3,
  },
  "array in an object": object({
    tags: array({ enum: ["x", "y"] }, { maxItems: 2 }),
  }),
};

const OBJECTS = {
  "one property": object({ name: string({ maxLength: 8 }) }),
  "many properties": object(
    Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [
        `field${index}`,
        { enum: [index, null] },
      ]),
    ),
  ),
  "none required": object(
    { a: integer(), b: { type: "boolean" } },
    { required: [] },
  ),
  "some required": object(
    { a: integer(), b: { type: "boolean" }, c: { type: "null" } },
    { required: ["b"] },
  ),
  "the last required": object(
    { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } },
    { required: ["c"] },
  ),
  "ten that may be missing": object(
    Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`k${index}`, { const: index }]),
    ),
    { required: [] },
  ),
  "nested twice": object({ outer: object({ inner: integer() }) }),
  "nested eight times": Array.from({ length: 8 }).reduce(
    (inner, _, depth) => object({ [`level${depth}`]: inner }),
    { type: "boolean" },
  ),
  "open, one property": {
    type: "object",
    properties: { known: integer({ minimum: 0 }) },
    required: ["known"],
    maxProperties: 2,
  },
  "open with a schema": {
    type: "object",
    properties: { known: { type: "boolean" } },
    required: ["known"],
    additionalProperties: integer({ minimum: 0, maximum: 9 }),
  },
  "map of numbers": {
    type: "object",
    additionalProperties: number({ minimum: 0, maximum: 1 }),
  },
  "map of one at least": {
    type: "object",
    additionalProperties: { type: "boolean" },
    minProperties: 1,
    maxProperties: 3,
  },
  "map without entries": {
    type: "object",
    additionalProperties: true,
    maxProperties: 0,
  },
  "keys by a pattern": {
    type: "object",
    patternProperties: { "^x-[a-z]{1,5}$": integer() },
    additionalProperties: false,
  },
  "keys by a pattern, one at least": {
    type: "object",
    patternProperties: { "^[a-z]{1,3}$": { type: "boolean" } },
    additionalProperties: false,
    minProperties: 1,
  },
  "keys by a pattern beside named ones": {
    type: "object",
    properties: { "x-known": integer({ minimum: 3, maximum: 5 }) },
    patternProperties: { "^x-": integer({ maximum: 9 }) },
    required: ["x-known"],
    additionalProperties: false,
  },
  "names of keys are strings": {
    type: "object",
    propertyNames: { type: "string" },
    additionalProperties: { type: "boolean" },
  },
  "names of keys by a pattern": {
    type: "object",
    propertyNames: { pattern: "^[a-z]{2}$" },
    additionalProperties: integer({ minimum: 0, maximum: 9 }),
  },
  "names of keys from a list": {
    type: "object",
    propertyNames: { enum: ["de", "en", "fr"] },
    additionalProperties: string({ maxLength: 4 }),
    required: ["en"],
  },
  "exactly one of several": object(
    { card: { const: 1 }, cash: { const: 2 }, coupon: { const: 3 } },
    { required: [], minProperties: 1, maxProperties: 1 },
  ),
  "at least one of several": object(
    { mail: { const: 1 }, phone: { const: 2 } },
    { required: [], minProperties: 1 },
  ),
  "required without a description": {
    type: "object",
    required: ["token"],
    additionalProperties: integer(),
    maxProperties: 1,
  },
  "a property that may not be": object(
    { yes: { const: 1 }, no: false },
    { required: ["yes"] },
  ),
  "empty key": object({ "": integer() }),
  "keys with blanks and quotes": object({
    "a key": { const: 1 },
    'with "quotes"': { const: 2 },
    "back\\slash": { const: 3 },
    "new\nline": { const: 4 },
  }),
  "keys that look like keywords": object({
    type: { const: "type" },
    properties: { type: "boolean" },
    $ref: string({ maxLength: 2 }),
    format: { enum: ["date"] },
    pattern: integer(),
    propertyNames: { type: "null" },
    minProperties: { const: 9 },
  }),
};

const COMBINED = {
  "any of scalars": {
    anyOf: [{ type: "boolean" }, integer(), { type: "null" }],
  },
  "any of objects": {
    anyOf: [object({ a: integer() }), object({ b: { type: "boolean" } })],
  },
  "any of overlapping": {
    anyOf: [object({ a: integer() }), object({ a: { enum: [1, "x"] } })],
  },
  "any of, nested": {
    anyOf: [{ anyOf: [{ const: 1 }, { const: 2 }] }, { const: 3 }],
  },
  "any of beside properties": {
    type: "object",
    properties: { a: integer(), b: integer() },
    anyOf: [{ required: ["a"] }, { required: ["b"] }],
    additionalProperties: false,
  },
  "any of, one impossible": { anyOf: [false, { const: "left" }] },
  "one of types": { oneOf: [string({ maxLength: 4 }), { type: "boolean" }] },
  "one of constants": { oneOf: [{ const: "a" }, { const: "b" }] },
  "one of, told apart by a const": {
    oneOf: [
      object({ kind: { const: "circle" }, radius: number({ minimum: 0 }) }),
      object({
        kind: { const: "square" },
        side: number({ minimum: 0 }),
      }),
    ],
  },
  "one of, told apart by an enum": {
    oneOf: [
      object({ op: { enum: ["add", "sub"] }, by: integer() }),
      object({ op: { enum: ["clear"] } }),
    ],
  },
  "all of objects": {
    allOf: [
      {
        type: "object",
        properties: { a: integer() },
        required: ["a"],
      },
      {
        type: "object",
        properties: { b: { type: "boolean" } },
        required: ["b"],
        maxProperties: 2,
      },
    ],
  },
  "all of bounds": {
    allOf: [integer({ minimum: 3 }), { maximum: 8 }, { multipleOf: 2 }],
  },
  "all of patterns": {
    allOf: [pattern("^a"), pattern("z$"), { maxLength: 6 }],
  },
  "all of one": { allOf: [{ type: "boolean" }] },
  "all of beside a type": {
    type: "string",
    allOf: [{ minLength: 2 }, { maxLength: 3 }],
  },
  "all of enums": {
    allOf: [{ enum: ["a", "b", "c"] }, { enum: ["b", "c", "d"] }],
  },
  "all of and any of": {
    allOf: [object({ a: integer({ minimum: 0 }) }, { required: [] })],
    anyOf: [{ required: ["a"] }],
  },
  "nullable object": { anyOf: [object({ a: integer() }), { type: "null" }] },
  "nullable by its type": object({
    value: { type: ["integer", "null"], minimum: 5, maximum: 6 },
  }),
  "union of string and array of strings": {
    anyOf: [
      string({ maxLength: 5 }),
      array(string({ maxLength: 5 }), { maxItems: 2 }),
    ],
  },
};

const REFERENCES = {
  "a definition": {
    $ref: "#/$defs/point",
    $defs: { point: object({ x: integer(), y: integer() }) },
  },
  "a definition used twice": object(
    { from: ref("place"), to: ref("place") },
    { $defs: { place: { enum: ["here", "there"] } } },
  ),
  "a definition that names another": {
    $ref: "#/$defs/a",
    $defs: { a: object({ b: ref("b") }), b: { type: "boolean" } },
  },
  "definitions as draft 7 writes them": {
    ...draft7,
    $ref: "#/definitions/n",
    definitions: { n: integer({ minimum: 1, maximum: 3 }) },
  },
  "a place in the document": object({
    first: integer({ minimum: 0, maximum: 3 }),
    second: { $ref: "#/properties/first" },
  }),
  "components of another document": {
    $ref: "#/components/schemas/User",
    components: {
      schemas: {
        User: object({ id: format("uuid"), joined: format("date") }),
      },
    },
  },
  "a list that links": {
    $ref: "#/$defs/node",
    $defs: {
      node: object({
        value: integer({ minimum: 0, maximum: 9 }),
        next: { anyOf: [ref("node"), { type: "null" }] },
      }),
    },
  },
  "a tree": {
    $ref: "#/$defs/tree",
    $defs: {
      tree: object({
        name: string({ maxLength: 3 }),
        children: array(ref("tree"), { maxItems: 2 }),
      }),
    },
  },
  "the document itself": object({
    label: { enum: ["a", "b"] },
    inner: { anyOf: [{ $ref: "#" }, { type: "null" }] },
  }),
  "two that name each other": {
    $ref: "#/$defs/even",
    $defs: {
      even: object({ odd: { anyOf: [ref("odd"), { const: 0 }] } }),
      odd: object({ even: { anyOf: [ref("even"), { const: 1 }] } }),
    },
  },
  "a reference with a description": object(
    { x: { ...ref("n"), description: "a number" } },
    { $defs: { n: integer({ minimum: 0, maximum: 9 }) } },
  ),
  "a reference with bounds beside it": object(
    { x: { ...ref("n"), maximum: 5 } },
    { $defs: { n: integer({ minimum: 0, maximum: 9 }) } },
  ),
  "an expression": {
    $ref: "#/$defs/term",
    $defs: {
      term: {
        anyOf: [
          integer({ minimum: 0, maximum: 9 }),
          object({
            op: { enum: ["+", "*"] },
            left: ref("term"),
            right: ref("term"),
          }),
        ],
      },
    },
  },
  "JSON itself": {
    $ref: "#/$defs/json",
    $defs: {
      json: {
        anyOf: [
          { type: ["null", "boolean", "integer"] },
          array(ref("json"), { maxItems: 2 }),
          { type: "object", additionalProperties: ref("json") },
        ],
      },
    },
  },
};

const UNICODE = {
  "keys in Greek": object({ όνομα: string({ maxLength: 3 }) }),
  "keys in Chinese": object({ 姓名: { const: "李" }, 年龄: integer() }),
  "keys in Arabic": object({ الاسم: { type: "boolean" } }),
  "keys of emoji": object({ "👩‍🚀": integer(), "🏳️‍🌈": { type: "null" } }),
  "keys with accents, composed and not": object({
    é: { const: 1 },
    é: { const: 2 },
  }),
  "enum of emoji": { enum: ["😀", "👨‍👩‍👧", "✔️"] },
  "enum in many scripts": { enum: ["да", "はい", "نعم", "नहीं", "ใช่"] },
  "const of control characters": { const: "\u0000\u001f\u007f" },
  "const beyond the first plane": { const: "𝔘𝔫𝔦𝔠𝔬𝔡𝔢" },
  "lengths count characters": string({ minLength: 2, maxLength: 2 }),
  "pattern of a script": pattern("^[а-яё]{2,4}$"),
  "pattern beyond the first plane": pattern("^[😀-😎]{1,2}$"),
};

const person = object({
  name: string({ maxLength: 12 }),
  age: integer({ minimum: 0, maximum: 120 }),
});

/** The shapes that guides to structured output and function calling use. */
const GUIDES = {
  "a calendar event": object({
    name: string({ maxLength: 12 }),
    date: format("date"),
    participants: array(string({ maxLength: 8 }), { maxItems: 3 }),
  }),
  "steps of a calculation": object({
    steps: array(
      object({
        explanation: string({ maxLength: 20 }),
        output: string({ maxLength: 10 }),
      }),
      { maxItems: 3 },
    ),
    final_answer: string({ maxLength: 10 }),
  }),
  "facts of a paper": object({
    title: string({ maxLength: 20 }),
    authors: array(string({ maxLength: 10 }), { maxItems: 2 }),
    abstract: string({ maxLength: 30 }),
    keywords: array(string({ maxLength: 6 }), { maxItems: 3 }),
  }),
  "elements of a page": object(
    {
      type: { enum: ["div", "button", "header", "section", "field"] },
      label: string({ maxLength: 8 }),
      children: array({ $ref: "#" }, { maxItems: 2 }),
      attributes: array(
        object({
          name: string({ maxLength: 6 }),
          value: string({ maxLength: 6 }),
        }),
        { maxItems: 1 },
      ),
    },
    { title: "ui" },
  ),
  "a moderated message": object({
    is_violating: { type: "boolean" },
    category: {
      type: ["string", "null"],
      enum: ["violence", "sexual", "self_harm", null],
    },
    explanation_if_violating: { type: ["string", "null"], maxLength: 20 },
  }),
  "arguments for the weather": object({
    location: string({ maxLength: 16, description: "City and country" }),
    unit: { type: ["string", "null"], enum: ["C", "F", null] },
  }),
  "arguments for a mail": object({
    to: format("email"),
    subject: string({ maxLength: 12 }),
    body: string({ maxLength: 30 }),
  }),
  "a query of a table": object({
    table_name: { enum: ["orders"] },
    columns: array(
      { enum: ["id", "status", "expected_delivery_date"] },
      {
        maxItems: 3,
      },
    ),
    conditions: array(
      object({
        column: string({ maxLength: 6 }),
        operator: { enum: ["=", ">", "<", ">=", "<=", "!="] },
        value: {
          anyOf: [
            string({ maxLength: 5 }),
            number({ minimum: 0, maximum: 9 }),
            object({ column_name: string({ maxLength: 5 }) }),
          ],
        },
      }),
      { maxItems: 2 },
    ),
    order_by: { enum: ["asc", "desc"] },
  }),
  "an item or an address": object(
    { item: { anyOf: [ref("user"), ref("address")] } },
    {
      $defs: {
        user: person,
        address: object({
          number: string({ maxLength: 4 }),
          street: string({ maxLength: 10 }),
          city: string({ maxLength: 8 }),
        }),
      },
    },
  ),
  "entities by type": object({
    people: array(person, { maxItems: 1 }),
    places: array(string({ maxLength: 6 }), { maxItems: 2 }),
    dates: array(format("date"), { maxItems: 2 }),
  }),
  "a sentiment": object({
    sentiment: { enum: ["positive", "neutral", "negative"] },
    confidence: number({ minimum: 0, maximum: 1 }),
  }),
  "an order with lines": object({
    id: format("uuid"),
    placed: format("date-time"),
    lines: array(
      object({
        sku: pattern("^[A-Z]{3}-\\d{4}$"),
        quantity: integer({ minimum: 1, maximum: 99 }),
        price: number({ minimum: 0, maximum: 10000, multipleOf: 0.01 }),
      }),
      { minItems: 1, maxItems: 2 },
    ),
    note: { type: ["string", "null"], maxLength: 10 },
  }),
  "a shape, as classes with a discriminator write it": object(
    {
      shape: {
        oneOf: [ref("Circle"), ref("Square")],
        discriminator: { propertyName: "kind" },
      },
    },
    {
      $defs: {
        Circle: object({ kind: { const: "circle" }, r: integer() }),
        Square: object({ kind: { const: "square" }, a: integer() }),
      },
    },
  ),
  "optional with a default, as classes write it": object(
    {
      retries: { ...integer({ minimum: 0, maximum: 5 }), default: 3 },
      parent: { anyOf: [{ $ref: "#" }, { type: "null" }], default: null },
    },
    { required: [], title: "Settings" },
  ),
};

export const STRUCTURES = {
  ...ARRAYS,
  ...OBJECTS,
  ...COMBINED,
  ...REFERENCES,
  ...UNICODE,
  ...GUIDES,
};
