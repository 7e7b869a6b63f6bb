// Schemas of zod by name: what programs write, and what zod makes JSON Schemas of. No behaviour.

import { z } from "zod";

const Tree = z.object({
  name: z.string().max(3),
  get children() {
    return z.array(Tree).max(2);
  },
});
const Category = z.object({
  label: z.enum(["a", "b"]),
  get parent() {
    return z.union([Category, z.null()]);
  },
});

export const ZOD = {
  string: z.string(),
  "string, lengths": z.string().min(2).max(5),
  "string, exact length": z.string().length(3),
  "string, regex": z.string().regex(/^[A-Z]{3}-\d{2}$/),
  "string, begins": z.string().startsWith("ab").max(9),
  "string, ends": z.string().endsWith("yz").max(9),
  "string, includes": z.string().includes("mid").max(9),
  "string, lower case": z.string().lowercase().max(9),
  email: z.email(),
  uuid: z.uuid(),
  guid: z.guid(),
  url: z.url().max(60),
  nanoid: z.nanoid(),
  cuid2: z.cuid2().max(30),
  ulid: z.ulid(),
  ipv4: z.ipv4(),
  ipv6: z.ipv6(),
  base64: z.base64().max(40),
  e164: z.e164(),
  "ISO date": z.iso.date(),
  "ISO time": z.iso.time(),
  "ISO date and time": z.iso.datetime(),
  "ISO date and time with an offset": z.iso.datetime({ offset: true }),
  "ISO date, and the old way": z.string().date(),
  number: z.number(),
  "number, bounds": z.number().min(0).max(10),
  "number, positive": z.number().positive().max(100),
  "number, steps": z.number().multipleOf(0.5).min(0).max(9),
  int: z.int(),
  "int, bounds": z.int().min(1).max(5),
  int32: z.int32(),
  boolean: z.boolean(),
  null: z.null(),
  any: z.any(),
  unknown: z.object({ value: z.unknown() }),
  literal: z.literal("tuna"),
  "literal of several": z.literal(["red", 2, true]),
  enum: z.enum(["Salmon", "Tuna", "Trout"]),
  "enum from an object": z.enum({ Up: "UP", Down: "DOWN" }),
  object: z.object({ name: z.string().max(8), age: z.int().min(0).max(99) }),
  "object, strict": z.strictObject({ a: z.boolean() }),
  "object, loose": z.looseObject({ a: z.boolean() }),
  "object with a catch-all": z
    .object({ a: z.boolean() })
    .catchall(z.int().min(0).max(9)),
  "optional and nullable": z.object({
    a: z.int().optional(),
    b: z.int().nullable(),
    c: z.boolean().nullish(),
  }),
  "with defaults": z.object({ retries: z.int().min(0).max(9).default(3) }),
  described: z.object({ city: z.string().max(9).describe("a city") }),
  partial: z.object({ a: z.int(), b: z.boolean() }).partial(),
  array: z.array(z.string().max(4)).max(3),
  "array, not empty": z.array(z.boolean()).nonempty(),
  tuple: z.tuple([z.boolean(), z.int()]),
  "tuple and rest": z.tuple([z.literal("head")], z.int().min(0).max(9)),
  record: z.record(z.string(), z.int().min(0).max(9)),
  "record with an enum": z.record(z.enum(["de", "en"]), z.boolean()),
  "record with an enum, partly": z.partialRecord(
    z.enum(["de", "en"]),
    z.boolean(),
  ),
  "record with a pattern": z.record(
    z.string().regex(/^[a-z]{2}$/),
    z.boolean(),
  ),
  union: z.union([z.string().max(4), z.int(), z.null()]),
  "union of objects": z.discriminatedUnion("type", [
    z.object({ type: z.literal("text"), text: z.string().max(6) }),
    z.object({ type: z.literal("number"), value: z.int() }),
  ]),
  intersection: z.intersection(
    z.object({ a: z.boolean() }),
    z.object({ b: z.boolean() }),
  ),
  extended: z.object({ a: z.boolean() }).extend({ b: z.null() }),
  refined: z.object({ a: z.int().min(2).max(8) }).readonly(),
  tree: Tree,
  categories: Category,
  recipe: z.object({
    name: z.string().max(10),
    ingredients: z
      .array(z.object({ name: z.string().max(8), amount: z.string().max(6) }))
      .max(2),
    steps: z.array(z.string().max(12)).max(2),
  }),
};
