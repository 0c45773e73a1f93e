// The page: reads the contract, and puts namespaces, events and models on it.

import { Connection } from "./connection.js";
import { make, prose } from "./dom.js";
import { eventId, IncomingEvent, OutgoingEvent } from "./events.js";
import { Log } from "./log.js";
import { bounds, modelId, Types } from "./schema.js";

const byId = (id) => document.getElementById(id);

const log = new Log({
  list: byId("log"), count: byId("log-count"), empty: byId("log-empty"),
  status: byId("log-status"), copy: byId("copy"), clear: byId("clear"),
});

const sections = [];
const searched = [];

function section(name, contract, types) {
  const incoming = new Map();
  const outgoing = new Map();
  const heard = (event, values, ack) => {
    outgoing.get(event)?.hear(values, ack);
    const [failure] = values;
    // Without an acknowledgement the client hears of what is not valid by an event.
    if (failure?.error === "validation" && typeof failure.path === "string") {
      incoming.get(failure.event)?.refused(failure);
    }
  };
  const connection = new Connection(name, contract, types, log, heard);
  for (const [event, each] of Object.entries(contract.incoming)) {
    incoming.set(event, new IncomingEvent(name, event, each, types, connection));
  }
  for (const [event, each] of Object.entries(contract.outgoing)) {
    outgoing.set(event, new OutgoingEvent(name, event, each, types));
  }
  const cards = [...incoming.values(), ...outgoing.values()];
  const part = (title, some) => (some.size === 0 ? null : make(
    "div", { class: "part" },
    make("h3", {}, title), [...some.values()].map((each) => each.element),
  ));
  const element = make(
    "section", { class: "namespace", "data-namespace": name, id: `namespace:${encodeURIComponent(name)}` },
    make("h2", {}, name),
    prose(contract.description),
    connection.element,
    cards.length === 0 ? make("p", { class: "hint" }, "Nothing is known of its events.") : null,
    part("Clients send", incoming),
    part("The server sends", outgoing),
  );
  sections.push({ element, cards, links: links(name, incoming, outgoing) });
  searched.push(...cards);
  return element;
}

function links(name, incoming, outgoing) {
  const link = (direction, arrow) => (card) => {
    const href = `#${encodeURIComponent(eventId(name, direction, card.name))}`;
    card.link = make("li", { class: direction }, make("a", { href }, make("span", { class: "arrow", "aria-hidden": "true" }, arrow), card.name));
    return card.link;
  };
  const href = `#${encodeURIComponent(`namespace:${encodeURIComponent(name)}`)}`;
  const list = make(
    "li", { class: "links" }, make("a", { class: "links-head", href }, name),
    make("ul", {}, [...incoming.values()].map(link("incoming", "→")), [...outgoing.values()].map(link("outgoing", "←"))),
  );
  byId("links").append(list);
  return list;
}

function model(name, schema, types) {
  const required = schema.required ?? [];
  const rows = Object.entries(schema.properties ?? {}).map(([field, each]) => {
    const is = types.resolve(each);
    const said = [bounds(is), is.default === undefined ? "" : `default ${JSON.stringify(is.default)}`];
    return make(
      "div", { class: "model-row" },
      make("dt", {}, field, required.includes(field) ? null : make("span", { class: "bounds" }, "?")),
      make(
        "dd", {}, make("span", { class: "type" }, types.label(each)),
        make("span", { class: "bounds" }, said.filter(Boolean).join(", ")), prose(each.description ?? ""),
      ),
    );
  });
  const inside = rows.length > 0 ? make("dl", {}, rows) : make("p", { class: "type" }, types.label(schema));
  const element = make(
    "article", { class: "model", id: modelId(name) }, make("h4", {}, name), prose(schema.description ?? ""), inside,
  );
  searched.push({ element, isModel: true, searched: element.textContent.toLowerCase() });
  return element;
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  let all = 0;
  for (const each of searched) {
    const isFound = words.every((word) => each.searched.includes(word));
    each.element.hidden = !isFound;
    if (each.link) each.link.hidden = !isFound;
    if (!each.isModel) {
      all += 1;
      count += Number(isFound);
    }
  }
  for (const { element, cards, links } of sections) {
    const isLeft = words.length === 0 || cards.some((card) => !card.element.hidden);
    element.hidden = links.hidden = !isLeft;
    for (const part of element.querySelectorAll(".part")) {
      part.hidden = !part.querySelector(".event:not([hidden])");
    }
  }
  byId("models").hidden = !byId("models").querySelector(".model:not([hidden])");
  byId("found").textContent = words.length === 0 ? "" : `${count} of ${all} events`;
  byId("nothing").hidden = words.length === 0 || count > 0 || !byId("models").hidden;
}

/** Open what the address points to. */
function follow() {
  let target = null;
  try {
    target = byId(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return; // an address that somebody has changed
  }
  if (!target) return;
  if (target.hidden) {
    byId("search").value = "";
    search();
  }
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView({ block: "start" });
}

function steer() {
  byId("search").addEventListener("input", search);
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      byId("search").focus();
    } else if (event.key === "Escape") {
      showLog(false);
    }
  });
  byId("open-log").addEventListener("click", () => showLog(byId("open-log").getAttribute("aria-expanded") !== "true"));
  byId("close-log").addEventListener("click", () => showLog(false));
}

function showLog(isOpen) {
  byId("open-log").setAttribute("aria-expanded", `${isOpen}`);
  byId("log-panel").classList.toggle("is-open", isOpen);
}

async function load() {
  const response = await fetch("docs/contract.json");
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

async function start() {
  let contract;
  try {
    contract = await load();
  } catch (error) {
    byId("intro").append(make("p", { class: "failed", role: "alert" }, `The contract is not there: ${error.message}`));
    return;
  }
  const types = new Types(contract.models);
  document.title = `${contract.title} – events`;
  byId("title").textContent = contract.title;
  byId("version").textContent = contract.version === "0.0.0" ? "" : contract.version; // it says none
  byId("intro").append(...prose(contract.description));
  byId("namespaces").append(
    ...Object.entries(contract.namespaces).map(([name, each]) => section(name, each, types)),
  );
  byId("model-list").append(...Object.entries(contract.models).map(([name, each]) => model(name, each, types)));
  search();
  steer();
  follow();
  document.documentElement.dataset.ready = "";
}

start();
