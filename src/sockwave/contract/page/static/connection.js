// A connection to one namespace with the stock client, and the bar that steers it.

import { make, newId } from "./dom.js";
import { Field, Invalid } from "./form.js";
import { shown } from "./values.js";

const PATIENCE = 10000;
/** Milliseconds for an acknowledgement. */

const PATH = new URL(".", location.href).pathname;
/** Where the server is, whatever stands in front of it: this page is right below. */

const STATES = { off: "Not connected", wait: "Connecting …", on: "Connected", bad: "Refused" };

export class Connection {
  /** `heard(event, values, ack)` is called for what comes in; ack is null where nothing is asked. */
  constructor(namespace, contract, types, log, heard) {
    this.pattern = namespace;
    this.log = log;
    this.heard = heard;
    this.socket = null;
    this.parameters = Object.entries(contract.parameters).map(([name, schema]) => ({
      name, schema, input: this.#parameter(name, types.resolve(schema)),
    }));
    this.auth = new Field(types, "auth", contract.auth ?? {}, { required: false });
    this.button = make("button", { type: "submit", class: "connect" }, "Connect");
    this.state = make("span", { class: "state", role: "status" });
    this.error = make("p", { class: "field-error", role: "alert" });
    const fields = make(
      "div", { class: "connect-fields" },
      this.parameters.map(({ name, input }) => make(
        "div", { class: "field" },
        make("div", { class: "field-head" }, make("label", { class: "field-name", for: input.id }, name)),
        input,
      )),
      this.auth.element,
    );
    this.element = make(
      "form", { class: "connection", novalidate: "", onsubmit: (event) => this.#toggle(event) },
      make("div", { class: "connection-bar" }, this.button, this.state),
      this.error,
      fields,
    );
    if (contract.auth) this.auth.include(true);
    this.#show("off");
  }

  #parameter(name, is) {
    const type = is.type === "integer" ? "number" : "text";
    return make("input", {
      type, id: newId(), name, autocomplete: "off", spellcheck: "false", placeholder: is.format ?? is.type ?? "",
    });
  }

  /** The name that is connected to: parts in braces are filled in. */
  get name() {
    return this.parameters.reduce(
      (name, { name: part, input }) => name.replace(`{${part}}`, () => input.value),
      this.pattern,
    );
  }

  async #toggle(event) {
    event.preventDefault();
    if (this.socket) {
      this.#close();
      return;
    }
    try {
      await this.open();
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
    }
  }

  #close() {
    const { socket } = this;
    this.socket = null;
    socket.disconnect();
    this.log.add("state", socket.nsp, "disconnected");
    this.#show("off");
  }

  /** Be connected; throws Invalid where that fails, which is shown already. */
  async open() {
    if (this.socket?.connected) return;
    this.error.textContent = "";
    try {
      await (this.socket ? this.#connected(this.socket) : this.#connect());
    } catch (error) {
      if (error instanceof Invalid && !error.isShown) this.error.textContent = error.message;
      throw error;
    }
  }

  async #connect() {
    if (typeof io !== "function") {
      throw new Invalid("The stock client cannot be loaded: perhaps the server has a parser of its own.");
    }
    const empty = this.parameters.find(({ input }) => input.value === "");
    if (empty) {
      empty.input.focus();
      throw new Invalid(`The name of the namespace needs ${empty.name}.`);
    }
    const auth = this.auth.isIncluded ? await this.auth.read() : undefined;
    const socket = io(this.name, { path: PATH, auth, forceNew: true, autoConnect: false, tryAllTransports: true });
    this.socket = socket;
    this.#listen(socket);
    this.#show("wait");
    const connected = this.#connected(socket);
    socket.connect();
    await connected;
  }

  #connected(socket) {
    return new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", (error) => reject(new Invalid(refusal(error))));
      socket.once("disconnect", (reason) => reject(new Invalid(`The connection ended: ${reason}.`)));
    });
  }

  #listen(socket) {
    socket.on("connect", () => {
      this.error.textContent = "";
      this.log.add("state", socket.nsp, "connected", [{ id: socket.id }]);
      this.#show("on");
    });
    socket.on("disconnect", (reason) => {
      if (this.socket !== socket) return; // by the button
      this.log.add("state", socket.nsp, `disconnected: ${reason}`);
      if (!socket.active) this.socket = null;
      this.#show(socket.active ? "wait" : "off");
    });
    socket.on("connect_error", (error) => {
      this.log.add("error", socket.nsp, refusal(error));
      this.error.textContent = refusal(error);
      if (socket.active) return; // it tries again by itself
      this.socket = null;
      this.#show("bad");
    });
    socket.onAny((event, ...values) => {
      const ack = typeof values.at(-1) === "function" ? values.pop() : null;
      this.log.add("in", socket.nsp, event, values);
      this.heard(event, values, ack && ((...answer) => {
        this.log.add("answer", socket.nsp, event, answer);
        ack(...answer);
      }));
    });
  }

  #show(state) {
    const isOpen = this.socket !== null;
    this.element.dataset.state = state;
    this.button.textContent = isOpen ? "Disconnect" : "Connect";
    this.state.textContent = STATES[state];
    for (const { input } of this.parameters) input.disabled = isOpen;
  }

  /** Emit an event. With `wantsAck`, gives the arguments of the acknowledgement. */
  async emit(event, values, wantsAck) {
    await this.open();
    const { socket } = this;
    this.log.add("out", socket.nsp, event, values);
    if (!wantsAck) {
      socket.emit(event, ...values);
      return null;
    }
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      socket.timeout(PATIENCE).emit(event, ...values, (error, ...answer) => {
        if (error) {
          const text = `No acknowledgement within ${PATIENCE / 1000} seconds.`;
          this.log.add("error", socket.nsp, `${event}: no acknowledgement`);
          reject(new Invalid(text));
          return;
        }
        this.log.add(isFailure(answer) ? "error" : "ack", socket.nsp, event, answer);
        resolve({ answer, milliseconds: performance.now() - begun });
      });
    });
  }
}

/** Whether an acknowledgement says that the event was refused, or has failed. */
export function isFailure(answer) {
  const [first] = answer;
  return answer.length === 1 && first !== null && typeof first === "object" && typeof first.error === "string";
}

function refusal(error) {
  const data = error.data === undefined ? "" : ` ${shown(error.data)}`;
  return `Not connected: ${error.message}${data}`;
}
