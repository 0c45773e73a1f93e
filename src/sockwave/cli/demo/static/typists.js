// Who is typing, in words; each for some seconds after they were heard of last.

const LASTS = 3000; // milliseconds

export class Typists {
  /**
   * @param {HTMLElement} line
   * @param {HTMLElement} text
   */
  constructor(line, text) {
    this.line = line;
    this.text = text;
    /** @type {Map<string, number>} */
    this.timers = new Map();
  }

  /** @param {string} name */
  note(name) {
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(() => this.forget(name), LASTS));
    this.#show();
  }

  /** @param {string} name */
  forget(name) {
    clearTimeout(this.timers.get(name));
    if (this.timers.delete(name)) this.#show();
  }

  clear() {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.#show();
  }

  #show() {
    const names = [...this.timers.keys()];
    this.line.classList.toggle("active", names.length > 0);
    if (names.length === 1) this.text.textContent = `${names[0]} is typing`;
    else if (names.length === 2) this.text.textContent = `${names[0]} and ${names[1]} are typing`;
    else if (names.length) this.text.textContent = "Several people are typing";
    else this.text.textContent = "";
  }
}
