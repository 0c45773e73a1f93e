// The cards of events: those that clients send have a form, those that the server sends show what
// came, and answer it where it asks.

import { Arguments } from "./arguments.js";
import { isFailure } from "./connection.js";
import { make, prose } from "./dom.js";
import { Invalid } from "./form.js";
import { shown } from "./values.js";

const ANY = [{ name: "answer", schema: {}, required: true }];

/** Where on the page an event is. */
export function eventId(namespace, direction, name) {
  return `${direction}:${encodeURIComponent(namespace)}:${encodeURIComponent(name)}`;
}

function signature(contract, types) {
  const parts = contract.arguments.map(({ name, schema, required }) => [
    `${name}${required ? "" : "?"}: `, ...types.label(schema),
  ]);
  if (contract.rest !== null) parts.push(["...: ", ...types.label(contract.rest), "[]"]);
  return ["(", ...parts.flatMap((part, at) => (at === 0 ? part : [", ", ...part])), ")"];
}

function answerLabel(contract, types) {
  if (contract.answer === null) return null;
  if (contract.answer.length === 0) return ["nothing"];
  return contract.answer.flatMap((each, at) => (at === 0 ? types.label(each) : [", ", ...types.label(each)]));
}

class Card {
  constructor(namespace, direction, name, contract, types) {
    this.name = name;
    this.contract = contract;
    this.types = types;
    this.isReady = false;
    this.content = make("div", { class: "event-content" });
    this.badge = make("span", { class: "badge", hidden: true });
    const answer = answerLabel(contract, types);
    const arrow = direction === "incoming" ? "→" : "←";
    const says = direction === "incoming" ? "Clients send it" : "The server sends it";
    this.element = make(
      "details",
      {
        class: `event ${direction}`, id: eventId(namespace, direction, name),
        "data-namespace": namespace, "data-event": name,
      },
      make(
        "summary", {},
        make("span", { class: "arrow", title: says, role: "img", "aria-label": says }, arrow),
        make(
          "span", { class: "signature" },
          make("strong", {}, name), make("span", { class: "type" }, signature(contract, types)),
          answer ? make("span", { class: "answer" }, " ⇒ ", make("span", { class: "type" }, answer)) : null,
        ),
        this.badge,
      ),
      this.content,
    );
    this.element.addEventListener("toggle", () => this.element.open && this.fill());
    this.searched = [namespace, this.element.textContent, contract.description].join(" ").toLowerCase();
  }

  /** Make what is inside, when it is first looked at. */
  fill() {
    if (this.isReady) return;
    this.isReady = true;
    this.content.append(...prose(this.contract.description), ...this.inside());
  }
}

/** An event that clients send. */
export class IncomingEvent extends Card {
  constructor(namespace, name, contract, types, connection) {
    super(namespace, "incoming", name, contract, types);
    this.connection = connection;
  }

  inside() {
    this.arguments = new Arguments(this.types, this.contract.arguments, this.contract.rest);
    this.wantsAck = make("input", { type: "checkbox", checked: true });
    this.button = make("button", { type: "submit", class: "primary" }, "Emit");
    this.result = make("div", { class: "result", role: "status" });
    const none = this.arguments.isEmpty ? make("p", { class: "hint none" }, "No arguments.") : null;
    return [make(
      "form", { novalidate: "", onsubmit: (event) => this.#emit(event) },
      none, this.arguments.element,
      make(
        "div", { class: "actions" },
        this.button, make("label", { class: "with-ack" }, this.wantsAck, "with acknowledgement"),
        this.arguments.switch,
      ),
      this.result,
    )];
  }

  async #emit(event) {
    event.preventDefault();
    this.result.replaceChildren();
    this.button.disabled = true;
    try {
      const values = await this.arguments.read();
      const done = await this.connection.emit(this.name, values, this.wantsAck.checked);
      if (done) this.#show(done);
      else this.#say("", "Sent.");
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      if (!this.content.querySelector(".is-wrong")) this.#say("bad", error.message);
    } finally {
      this.button.disabled = false;
    }
  }

  #show({ answer, milliseconds }) {
    const time = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
    if (isFailure(answer)) {
      this.refused(answer[0]);
      this.#say("bad", `Refused after ${time}: ${answer[0].error}`, answer[0]);
    } else if (answer.length === 0) {
      this.#say("good", `Acknowledged after ${time}, with nothing`);
    } else {
      this.#say("good", `Acknowledged after ${time}`, ...answer);
    }
  }

  /** The server says that what was sent is not valid. */
  refused(failure) {
    if (typeof failure.path === "string") this.arguments?.failAt(failure.path, `${failure.reason ?? failure.error}`);
  }

  #say(kind, text, ...values) {
    this.result.className = `result ${kind}`;
    this.result.replaceChildren(make("p", {}, text), ...values.map((each) => make("pre", {}, shown(each, 2))));
  }
}

/** An event that the server sends. */
export class OutgoingEvent extends Card {
  constructor(namespace, name, contract, types) {
    super(namespace, "outgoing", name, contract, types);
    this.heard = 0;
    this.last = null;
    this.latest = make("div", { class: "latest" });
    this.questions = make("div", { class: "questions" });
  }

  inside() {
    this.#show();
    return [this.latest, this.questions];
  }

  /** It came; `ack` is null where no acknowledgement is asked for. */
  hear(values, ack) {
    this.heard += 1;
    this.last = values;
    this.badge.hidden = false;
    this.badge.textContent = `${this.heard}`;
    this.#show();
    if (ack) this.#ask(ack);
  }

  #show() {
    const said = this.last === null
      ? [make("p", { class: "hint" }, "Nothing has come yet. Connect, and it is shown here.")]
      : [make("p", { class: "hint" }, "What came last:"), ...this.last.map((each) => make("pre", {}, shown(each, 2)))];
    this.latest.replaceChildren(...said);
  }

  #ask(ack) {
    const { answer } = this.contract;
    const wanted = answer?.map((schema, at) => ({ name: answer.length === 1 ? "answer" : `answer ${at}`, schema, required: true }));
    const fields = new Arguments(this.types, wanted ?? ANY, null);
    const form = make(
      "form", { class: "question", novalidate: "" },
      make("p", {}, "The server waits for an answer."),
      fields.element,
      make("div", { class: "actions" }, make("button", { type: "submit", class: "primary" }, "Answer"), fields.switch),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        ack(...(await fields.read()));
        form.remove();
      } catch (error) {
        if (!(error instanceof Invalid)) throw error;
      }
    });
    this.questions.append(form);
    this.element.open = true;
  }
}
