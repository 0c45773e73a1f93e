// Forms made of JSON Schemas. They ask for what can be sent at all; what may be sent, the server
// knows, and its answer is shown at the field that it names.
//
// A control is { element, read(), write(value), at(key), id }: `read` may be async, and throws
// Invalid; `at` gives the Field inside that has this key, or null.

import { icon, iconButton, make, newId, prose } from "./dom.js";
import { bounds, kindOf } from "./schema.js";
import { edited, parsed } from "./values.js";

const DEEPEST = 12;
/** Fields inside fields: below, values are written as JSON. */

/** What was written cannot be sent; the text is for people. */
export class Invalid extends Error {
  isShown = false;
}

const EXAMPLES = {
  "date-time": "2026-01-31T12:00:00Z",
  date: "2026-01-31",
  time: "12:00:00",
  uuid: "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f",
  decimal: "2.50",
  duration: "PT1H",
  email: "ada@example.org",
  uri: "https://example.org",
};

const MADE = {
  uuid: ["New", newUuid],
  "date-time": ["Now", () => new Date().toISOString()],
  date: ["Today", () => new Date().toISOString().slice(0, 10)],
};

function newUuid() {
  // crypto.randomUUID is for pages of https and of this machine only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** A value with its name, its type, and what is wrong with it. */
export class Field {
  constructor(types, name, schema, { required = true, depth = 0, head = null } = {}) {
    this.types = types;
    this.schema = schema;
    this.depth = depth;
    this.isRequired = required;
    this.is = types.resolve(schema);
    this.body = make("div", { class: "field-body" });
    this.error = make("p", { class: "field-error", role: "alert", id: newId() });
    this.title = make("label", { class: "field-name" }, name);
    const said = bounds(this.is);
    this.element = make(
      "div",
      { class: "field", "data-name": name },
      make(
        "div",
        { class: "field-head" },
        this.title,
        make("span", { class: "type" }, types.label(schema)),
        said ? make("span", { class: "bounds" }, said) : null,
        required ? null : this.#makeSwitch(name),
        head,
      ),
      this.is.description ? make("div", { class: "hint" }, prose(this.is.description)) : null,
      this.body,
      this.error,
    );
    this.include(required);
  }

  #makeSwitch(name) {
    const onchange = () => this.include(this.switch.checked);
    this.switch = make("input", { type: "checkbox", "aria-label": `Send ${name}`, onchange });
    return make("label", { class: "optional" }, this.switch, "optional");
  }

  /** Send a value, or leave it out. What was typed stays. */
  include(isIncluded) {
    this.isIncluded = isIncluded;
    if (this.switch) this.switch.checked = isIncluded;
    if (isIncluded && !this.control) {
      this.control = control(this.types, this.schema, this.depth);
      this.body.append(this.control.element);
      if (this.control.id) {
        this.title.htmlFor = this.control.id;
        this.body.querySelector(`#${this.control.id}`).setAttribute("aria-describedby", this.error.id);
      }
      if (this.is.default !== undefined) this.control.write(this.is.default);
      else if (this.is.examples?.length > 0) this.control.write(this.is.examples[0]);
    }
    this.body.hidden = !isIncluded;
    this.fail("");
  }

  /** The value; in a draft, null stands for what is missing. */
  async read(isDraft = false) {
    this.fail("");
    try {
      return await this.control.read(isDraft);
    } catch (error) {
      if (error instanceof Invalid && isDraft) return null;
      if (error instanceof Invalid && !error.isShown) {
        this.fail(error.message);
        error.isShown = true; // at the innermost field, and at none around it
      }
      throw error;
    }
  }

  write(value) {
    this.include(true);
    this.control.write(value);
  }

  /** Say what is wrong; nothing, where the text is empty. */
  fail(text) {
    this.error.textContent = text;
    this.element.classList.toggle("is-wrong", text !== "");
  }

  /** The innermost field on a path: keys and indices, from the outside to the inside. */
  find(keys) {
    if (keys.length === 0 || !this.isIncluded) return this;
    const inside = this.control.at(keys[0]);
    return inside ? inside.find(keys.slice(1)) : this;
  }
}

function control(types, schema, depth) {
  const is = types.resolve(schema);
  if (depth > DEEPEST) return jsonControl();
  if ("const" in is) return fixed(is.const);
  if (is.enum) return is.enum.length === 1 ? fixed(is.enum[0]) : choice(is.enum);
  const choices = types.choices(is);
  if (choices) return union(types, choices, depth);
  const kind = kindOf(is);
  if (kind === "object") return object(types, is, depth);
  if (kind === "array") return is.prefixItems ? tuple(types, is, depth) : list(types, is, depth);
  if (kind === "string") return text(is);
  if (kind === "integer" || kind === "number") return number(kind, is);
  if (kind === "boolean") return toggle();
  if (kind === "binary") return file();
  return kind === "null" ? fixed(null) : jsonControl();
}

const nothingInside = () => null;

function text(is) {
  const id = newId();
  const input = make("input", {
    type: "text", id, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    placeholder: EXAMPLES[is.format] ?? "",
  });
  const [name, value] = MADE[is.format] ?? [];
  const button = name && make("button", {
    type: "button", class: "small", onclick: () => { input.value = value(); },
  }, name);
  return {
    element: make("div", { class: "row" }, input, button),
    id,
    at: nothingInside,
    read: () => input.value,
    write: (given) => { input.value = typeof given === "string" ? given : edited(given); },
  };
}

function number(kind, is) {
  const id = newId();
  const input = make("input", {
    type: "number", id, step: kind === "integer" ? "1" : "any", autocomplete: "off",
    inputmode: kind === "integer" && (is.minimum ?? is.exclusiveMinimum ?? -1) >= 0 ? "numeric" : null,
  });
  return {
    element: input,
    id,
    at: nothingInside,
    read: () => {
      if (input.value === "") throw new Invalid("A number is needed.");
      const value = Number(input.value);
      const isRounded = !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value) && kind === "integer");
      if (isRounded) throw new Invalid("JavaScript cannot send a number of this size.");
      return value;
    },
    write: (given) => { input.value = typeof given === "number" ? given : ""; },
  };
}

function toggle() {
  const id = newId();
  const input = make("input", { type: "checkbox", id });
  const state = make("span", {}, "false");
  const show = () => { state.textContent = `${input.checked}`; };
  input.addEventListener("change", show);
  return {
    element: make("label", { class: "toggle" }, input, state),
    id,
    at: nothingInside,
    read: () => input.checked,
    write: (given) => { input.checked = given === true; show(); },
  };
}

function fixed(value) {
  return {
    element: make("code", { class: "fixed" }, JSON.stringify(value)),
    at: nothingInside,
    read: () => value,
    write: () => {},
  };
}

function choice(values) {
  const id = newId();
  const options = values.map((each, at) => make("option", { value: `${at}` }, typeof each === "string" ? each : JSON.stringify(each)));
  const select = make("select", { id }, options);
  return {
    element: select,
    id,
    at: nothingInside,
    read: () => values[Number(select.value)],
    write: (given) => { select.value = `${Math.max(values.indexOf(given), 0)}`; },
  };
}

function file() {
  const id = newId();
  const input = make("input", { type: "file", id });
  let given = null;
  return {
    element: input,
    id,
    at: nothingInside,
    read: async () => {
      const chosen = input.files[0];
      if (chosen) return chosen.arrayBuffer();
      if (given === null) throw new Invalid("Choose a file.");
      return given;
    },
    write: (value) => { given = value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? value : null; },
  };
}

/** Any value, written as JSON. */
export function jsonControl() {
  const id = newId();
  const area = make("textarea", { id, rows: "3", spellcheck: "false", class: "json", autocapitalize: "off" });
  const grow = () => { area.rows = Math.min(Math.max(area.value.split("\n").length, 3), 20); };
  area.addEventListener("input", grow);
  return {
    element: area,
    id,
    area,
    at: nothingInside,
    read: () => {
      if (area.value.trim() === "") throw new Invalid("A value in JSON is needed.");
      try {
        return parsed(area.value);
      } catch (error) {
        throw new Invalid(`This is no JSON: ${error.message}`);
      }
    },
    write: (given) => { area.value = edited(given); grow(); },
  };
}

function union(types, choices, depth) {
  const id = newId();
  const names = choices.map((each, at) => {
    const name = make("span", {}, types.label(each)).textContent;
    return make("option", { value: `${at}` }, name);
  });
  const controls = [];
  const select = make("select", { id, class: "of", onchange: () => show() }, names);
  const body = make("div", { class: "choice" });
  const show = () => {
    const at = Number(select.value);
    controls[at] ??= control(types, choices[at], depth + 1);
    body.replaceChildren(controls[at].element);
    return controls[at];
  };
  show();
  return {
    element: make("div", { class: "union" }, select, body),
    id,
    at: (key) => show().at(key),
    read: (isDraft) => show().read(isDraft),
    write: (given) => {
      select.value = `${Math.max(choices.findIndex((each) => types.fits(each, given)), 0)}`;
      show().write(given);
    },
  };
}

function object(types, is, depth) {
  const required = is.required ?? [];
  const named = Object.entries(is.properties ?? {});
  const fields = new Map(named.map(([name, schema]) => [
    name, new Field(types, name, schema, { required: required.includes(name), depth: depth + 1 }),
  ]));
  const isOpen = is.additionalProperties !== undefined && is.additionalProperties !== false;
  const isFree = named.length === 0 && is.additionalProperties === undefined;
  const more = isOpen || isFree ? entries(types, is.additionalProperties ?? {}, depth) : null;
  return {
    element: make("div", { class: "group" }, [...fields.values()].map((each) => each.element), more?.element),
    at: (key) => fields.get(key) ?? more?.at(key) ?? null,
    read: async (isDraft) => {
      const value = {};
      for (const [name, each] of fields) {
        if (each.isIncluded) value[name] = await each.read(isDraft);
      }
      return more ? { ...(await more.read(isDraft)), ...value } : value;
    },
    write: (given) => {
      const rest = given !== null && typeof given === "object" ? { ...given } : {};
      for (const [name, each] of fields) {
        if (name in rest) each.write(rest[name]);
        else if (!each.isRequired) each.include(false);
        delete rest[name];
      }
      more?.write(rest);
    },
  };
}

/** Entries whose keys are free. */
function entries(types, schema, depth) {
  const rows = make("div", { class: "items" });
  const kept = [];
  const add = (key = "") => {
    const name = make("input", { type: "text", class: "key", placeholder: "key", "aria-label": "Key", autocomplete: "off" });
    name.value = key;
    const row = { name };
    const remove = iconButton("close", "Remove this entry", () => {
      kept.splice(kept.indexOf(row), 1);
      row.field.element.remove();
    });
    row.field = new Field(types, "", schema, { depth: depth + 1, head: remove });
    row.field.title.replaceWith(name);
    kept.push(row);
    rows.append(row.field.element);
    return row;
  };
  return {
    element: make("div", {}, rows, addButton("Add an entry", () => add().name.focus())),
    at: (key) => kept.find((each) => each.name.value === key)?.field ?? null,
    read: async (isDraft) => {
      const value = {};
      for (const each of kept) value[each.name.value] = await each.field.read(isDraft);
      return value;
    },
    write: (given) => {
      kept.length = 0;
      rows.replaceChildren();
      for (const [key, value] of Object.entries(given)) add(key).field.write(value);
    },
  };
}

/** Items of one type, any number of them. */
export function list(types, is, depth) {
  const rows = make("div", { class: "items" });
  const kept = [];
  const number_ = () => kept.forEach((each, at) => { each.title.textContent = `${at}`; });
  const add = () => {
    const remove = iconButton("close", "Remove this item", () => {
      kept.splice(kept.indexOf(field), 1);
      field.element.remove();
      number_();
    });
    const field = new Field(types, `${kept.length}`, is.items ?? {}, { depth: depth + 1, head: remove });
    kept.push(field);
    rows.append(field.element);
    return field;
  };
  for (let count = 0; count < Math.min(is.minItems ?? 0, 8); count += 1) add();
  return {
    element: make("div", {}, rows, addButton("Add an item", () => add())),
    at: (key) => kept[Number(key)] ?? null,
    read: async (isDraft) => {
      const value = [];
      for (const each of kept) value.push(await each.read(isDraft));
      return value;
    },
    write: (given) => {
      kept.length = 0;
      rows.replaceChildren();
      for (const each of Array.isArray(given) ? given : []) add().write(each);
    },
  };
}

/** Items whose types follow each other. */
function tuple(types, is, depth) {
  const fields = is.prefixItems.map((each, at) => new Field(types, `${at}`, each, { depth: depth + 1 }));
  const rest = is.items ? list(types, is, depth) : null;
  return {
    element: make("div", { class: "group" }, fields.map((each) => each.element), rest?.element),
    at: (key) => fields[Number(key)] ?? rest?.at(Number(key) - fields.length) ?? null,
    read: async (isDraft) => {
      const value = [];
      for (const each of fields) value.push(await each.read(isDraft));
      return rest ? [...value, ...(await rest.read(isDraft))] : value;
    },
    write: (given) => {
      if (!Array.isArray(given)) return;
      fields.forEach((each, at) => { if (at in given) each.write(given[at]); });
      rest?.write(given.slice(fields.length));
    },
  };
}

function addButton(name, onclick) {
  return make("button", { type: "button", class: "small add", onclick }, icon("plus"), name);
}

/** Keys of a path such as `$[0].items[3].price`, without the `$`. */
export function keysOf(path) {
  return [...path.matchAll(/\.([^.[\]]+)|\[(\d+|\.\.\.)\]/g)].map((found) => found[1] ?? found[2]);
}
