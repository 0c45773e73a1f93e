// Elements, made of plain text only: nothing that a server or a peer says is ever read as HTML.

/** Make an element. Attributes whose names begin with "on" are listeners; null ones are left out. */
export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make one of the icons that stand in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Make a round button with an icon, and with a name for those who do not see it. */
export function iconButton(name, label, onclick) {
  const attributes = { type: "button", class: "icon", "aria-label": label, title: label, onclick };
  return make("button", attributes, icon(name));
}

/** A description as it is written in a docstring: paragraphs, and `code` in backticks. */
export function prose(text) {
  const paragraphs = text.split(/\n\s*\n/).filter((each) => each.trim());
  return paragraphs.map((paragraph) => {
    const parts = paragraph.split(/``?([^`]+)``?/);
    return make("p", { class: "prose" }, parts.map((part, at) => (at % 2 ? make("code", {}, part) : part)));
  });
}

let last = 0;

/** An id that nothing else on the page has. */
export function newId() {
  last += 1;
  return `f${last}`;
}
