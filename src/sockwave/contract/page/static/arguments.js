// The arguments of an event: as a form, or as the JSON array that is sent.

import { make } from "./dom.js";
import { Field, Invalid, jsonControl, keysOf, list } from "./form.js";

const REST = "further arguments";

const COUNTED = /^Expected [a-z0-9 ]*arguments?, got /;
/** What the server says of too few or too many: the path is of all of them, not of the only one. */

export class Arguments {
  /** `wanted` has {name, schema, required} of each; `rest` is the schema of further ones, or null. */
  constructor(types, wanted, rest) {
    this.fields = wanted.map(({ name, schema, required }) => new Field(types, name, schema, { required }));
    this.rest = rest === null ? null : list(types, { items: rest }, 0);
    this.json = jsonControl();
    this.isJson = false;
    this.error = make("p", { class: "field-error", role: "alert" });
    this.form = make("div", { class: "fields" }, this.fields.map((each) => each.element));
    if (this.rest) {
      const head = make("div", { class: "field-head" }, make("span", { class: "field-name" }, REST));
      this.form.append(make("div", { class: "field", "data-name": REST }, head, this.rest.element));
    }
    this.raw = make("div", { class: "raw", hidden: true }, this.json.element, make(
      "p", { class: "hint" }, "All arguments, as an array. Bytes are written as ",
      make("code", {}, '{"$binary": "<base64>"}'), ".",
    ));
    this.json.area.setAttribute("aria-label", "Arguments as JSON");
    const choose = (isJson) => () => this.show(isJson);
    this.tabs = [["Form", false], ["JSON", true]].map(([name, isJson]) => make("button", {
      type: "button", class: "tab", "aria-pressed": `${isJson === this.isJson}`, onclick: choose(isJson),
    }, name));
    this.switch = make("div", { class: "tabs", role: "group", "aria-label": "How to write the arguments" }, this.tabs);
    this.element = make("div", { class: "arguments" }, this.form, this.raw, this.error);
  }

  get isEmpty() {
    return this.fields.length === 0 && this.rest === null;
  }

  /** Change between the form and JSON, and take along what was written. */
  async show(isJson) {
    if (isJson === this.isJson) return;
    this.fail("");
    try {
      if (isJson) this.json.write(await this.#values(true));
      else if (this.json.area.value.trim()) this.write(this.#array(this.json.read()));
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      this.fail(error.message);
      return;
    }
    this.isJson = isJson;
    this.form.hidden = isJson;
    this.raw.hidden = !isJson;
    this.tabs.forEach((each, at) => each.setAttribute("aria-pressed", `${(at === 1) === isJson}`));
  }

  /** What is to be sent; throws Invalid, which is shown already. */
  async read() {
    this.fail("");
    if (!this.isJson) return this.#values(false);
    try {
      return this.#array(this.json.read());
    } catch (error) {
      if (error instanceof Invalid) this.fail(error.message);
      throw error;
    }
  }

  /** Fill in the form. */
  write(values) {
    this.fields.forEach((each, at) => {
      if (at < values.length && !(values[at] === null && !each.isRequired)) each.write(values[at]);
      else if (!each.isRequired) each.include(false);
    });
    this.rest?.write(values.slice(this.fields.length));
  }

  /** Show what the server says of a path: at the field, if there is one. */
  failAt(path, text) {
    const isOnlyOne = this.fields.length === 1 && this.rest === null;
    const keys = isOnlyOne && !COUNTED.test(text) ? ["0", ...keysOf(path)] : keysOf(path);
    const at = Number(keys[0]);
    const field = this.fields[at] ?? this.rest?.at(at - this.fields.length);
    const found = field?.find(keys.slice(1));
    if (this.isJson || !found) {
      this.fail(`${path}: ${text}`);
      return;
    }
    found.fail(text);
    found.element.scrollIntoView({ block: "nearest" });
  }

  fail(text) {
    this.error.textContent = text;
  }

  #array(value) {
    if (!Array.isArray(value)) throw new Invalid("The arguments are an array: [first, second].");
    return value;
  }

  async #values(isDraft) {
    const values = [];
    const more = this.rest ? await this.rest.read(isDraft) : [];
    for (const each of this.fields) values.push(each.isIncluded ? await each.read(isDraft) : undefined);
    if (more.length === 0) while (values.length > 0 && values.at(-1) === undefined) values.pop();
    return [...values.map((each) => (each === undefined ? null : each)), ...more];
  }
}
