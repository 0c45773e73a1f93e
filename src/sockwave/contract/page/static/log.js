// What went out and came in, with times; it can be copied.

import { make } from "./dom.js";
import { shown } from "./values.js";

const MOST = 500;
/** Entries that are kept. */

const LONGEST = 20000;
/** Characters of an entry's values that are copied. */

const SIGNS = { out: "→", in: "←", ack: "✓", answer: "↩", error: "!", state: "·" };
const NAMES = { out: "sent", in: "came in", ack: "acknowledged", answer: "answered", error: "error", state: "connection" };

function now() {
  const at = new Date();
  const two = (value) => `${value}`.padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${`${at.getMilliseconds()}`.padStart(3, "0")}`;
}

export class Log {
  constructor({ list, count, empty, status, copy, clear }) {
    this.list = list;
    this.count = count;
    this.empty = empty;
    this.status = status;
    this.lines = [];
    copy.addEventListener("click", () => this.copy());
    clear.addEventListener("click", () => this.clear());
    this.#show();
  }

  /** Add an entry: kind is one of SIGNS; what has the name of an event, or says what happened. */
  add(kind, namespace, what, values = null) {
    const time = now();
    const short = values === null ? "" : shown(values);
    this.lines.push([time, SIGNS[kind], namespace, what, short.slice(0, LONGEST)].filter(Boolean).join("  "));
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    this.list.append(this.#entry(kind, time, namespace, what, values, short));
    if (this.lines.length > MOST) {
      this.lines.shift();
      this.list.firstElementChild.remove();
    }
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
    this.#show();
  }

  #entry(kind, time, namespace, what, values, short) {
    const head = [
      make("span", { class: "sign", title: NAMES[kind], "aria-label": NAMES[kind], role: "img" }, SIGNS[kind]),
      make("strong", {}, what),
      make("span", { class: "where" }, namespace),
      make("time", {}, time),
    ];
    const entry = make("li", { class: `entry is-${kind}` });
    if (values === null) {
      entry.append(make("div", { class: "entry-head" }, head));
      return entry;
    }
    const whole = make("pre", {});
    const details = make(
      "details", {},
      make("summary", {}, make("div", { class: "entry-head" }, head), make("span", { class: "short" }, short.slice(0, 300))),
      whole,
    );
    details.addEventListener("toggle", () => { whole.textContent = details.open ? shown(values, 2) : ""; });
    entry.append(details);
    return entry;
  }

  /** All entries, as text. */
  get text() {
    return this.lines.map((each) => `${each}\n`).join("");
  }

  async copy() {
    this.status.textContent = (await copied(this.text)) ? "Copied." : "The browser does not let this page copy.";
    setTimeout(() => { this.status.textContent = ""; }, 3000);
  }

  clear() {
    this.lines = [];
    this.list.replaceChildren();
    this.#show();
  }

  #show() {
    this.count.textContent = `${this.lines.length}`;
    this.empty.hidden = this.lines.length > 0;
  }
}

/** Copy text, also where the page is of neither https nor this machine. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { class: "sr-only", readonly: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
