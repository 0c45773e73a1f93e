// What a JSON Schema says, for people and for forms.

import { make } from "./dom.js";

const REF = "#/models/";
const MOST_HOPS = 32;

/** Types of a contract: schemas, with the models to which they refer. */
export class Types {
  constructor(models) {
    this.models = models ?? {};
  }

  /** The schema itself, where this one only refers to it. */
  resolve(schema) {
    let found = schema === true || !schema ? {} : schema;
    for (let hops = 0; hops < MOST_HOPS; hops += 1) {
      const name = modelOf(found);
      if (name !== null) {
        const { $ref, ...beside } = found;
        found = { ...(this.models[name] ?? {}), ...beside };
      } else if (Array.isArray(found.allOf) && found.allOf.length === 1) {
        const { allOf, ...beside } = found;
        found = { ...allOf[0], ...beside };
      } else {
        return found;
      }
    }
    return {};
  }

  /** The choices of a union; null where it is none. */
  choices(schema) {
    const choices = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(choices)) return choices;
    return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : null;
  }

  /** Whether a value looks like one of a schema: enough to choose between the members of a union. */
  fits(schema, value) {
    const is = this.resolve(schema);
    if ("const" in is) return value === is.const;
    if (is.enum) return is.enum.includes(value);
    const choices = this.choices(is);
    if (choices) return choices.some((each) => this.fits(each, value));
    const kind = kindOf(is);
    if (kind === "any") return true;
    if (kind === "null") return value === null;
    if (kind === "array") return Array.isArray(value);
    if (kind === "binary") return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    if (kind === "integer") return Number.isInteger(value);
    if (kind !== "object") return typeof value === kind;
    if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
    const tag = Object.entries(is.properties ?? {}).every(([name, each]) => {
      const wanted = this.resolve(each);
      if (!(name in value)) return true;
      if ("const" in wanted) return wanted.const === value[name];
      return !wanted.enum || wanted.enum.includes(value[name]);
    });
    return tag && (is.required ?? []).every((name) => name in value);
  }

  /** A type in a few words, as TypeScript would write it; an array of texts and links. */
  label(schema, depth = 0) {
    if (schema === true || !schema) return ["any"];
    const name = modelOf(schema);
    if (name !== null) return [link(name)];
    const is = this.resolve(schema);
    if (is.allOf && modelOf(is.allOf[0] ?? {}) !== null) return [link(modelOf(is.allOf[0]))];
    if ("const" in is) return [JSON.stringify(is.const)];
    if (is.enum) return [is.enum.map((each) => JSON.stringify(each)).join(" | ")];
    const choices = this.choices(is);
    if (choices) return joined(choices.map((each) => this.label(each, depth + 1)), " | ");
    const kind = kindOf(is);
    if (kind === "array") return this.#array(is, depth);
    if (kind === "object") return this.#object(is, depth);
    if (kind === "string") return [is.format ?? "string"];
    return [kind];
  }

  #array(is, depth) {
    if (is.prefixItems) {
      return ["[", ...joined(is.prefixItems.map((each) => this.label(each, depth + 1)), ", "), "]"];
    }
    const inner = this.label(is.items ?? {}, depth + 1);
    const items = this.resolve(is.items ?? {});
    const isLong = modelOf(is.items ?? {}) === null && (this.choices(items) !== null || (items.enum?.length ?? 0) > 1);
    return isLong ? ["(", ...inner, ")[]"] : [...inner, "[]"];
  }

  #object(is, depth) {
    const names = Object.keys(is.properties ?? {});
    if (names.length === 0) {
      if (!is.additionalProperties || is.additionalProperties === true) return ["object"];
      return ["{ [key]: ", ...this.label(is.additionalProperties, depth + 1), " }"];
    }
    if (depth > 1) return [is.title ?? "object"];
    const inside = names.map((name) => [
      `${name}${(is.required ?? []).includes(name) ? "" : "?"}: `,
      ...this.label(is.properties[name], depth + 1),
    ]);
    return ["{ ", ...joined(inside, ", "), " }"];
  }
}

/** The model to which a schema refers; null where it does not. */
export function modelOf(schema) {
  const ref = schema.$ref;
  if (typeof ref !== "string" || !ref.startsWith(REF)) return null;
  return ref.slice(REF.length).replaceAll("~1", "/").replaceAll("~0", "~");
}

/** What a form has to ask for. */
export function kindOf(is) {
  if (is.type === "string") return is.format === "binary" ? "binary" : "string";
  if (is.type) return is.type;
  if (is.properties) return "object";
  return is.items || is.prefixItems ? "array" : "any";
}

/** Bounds, lengths and patterns, in a few words. */
export function bounds(is) {
  const said = [];
  const say = (name, text) => {
    if (is[name] !== undefined) said.push(text(is[name]));
  };
  say("minimum", (value) => `≥ ${value}`);
  say("exclusiveMinimum", (value) => `> ${value}`);
  say("maximum", (value) => `≤ ${value}`);
  say("exclusiveMaximum", (value) => `< ${value}`);
  say("multipleOf", (value) => `a multiple of ${value}`);
  say("minLength", (value) => `at least ${counted(value, "character")}`);
  say("maxLength", (value) => `at most ${counted(value, "character")}`);
  say("minItems", (value) => `at least ${counted(value, "item")}`);
  say("maxItems", (value) => `at most ${counted(value, "item")}`);
  say("pattern", (value) => `like ${value}`);
  return said.join(", ");
}

function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function joined(parts, between) {
  return parts.flatMap((part, at) => (at === 0 ? part : [between, ...part]));
}

/** Where on the page a model is explained. */
export function modelId(name) {
  return `model:${encodeURIComponent(name)}`;
}

function link(name) {
  return make("a", { class: "model-link", href: `#${encodeURIComponent(modelId(name))}` }, name);
}
