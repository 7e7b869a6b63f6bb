// What the tables of JSON Schemas are written with.

export const object = (properties, more = {}) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
export const array = (items, more = {}) => ({ type: "array", items, ...more });
export const string = (more = {}) => ({ type: "string", ...more });
export const integer = (more = {}) => ({ type: "integer", ...more });
export const number = (more = {}) => ({ type: "number", ...more });
export const pattern = (pattern) => ({ type: "string", pattern });
export const format = (format) => ({ type: "string", format });
export const ref = (name) => ({ $ref: `#/$defs/${name}` });
export const draft7 = { $schema: "http://json-schema.org/draft-07/schema#" };
