// A list whose items are made once and updated in place, by key.

/**
 * @template Value
 * @template {{ content: Node[] }} Parts
 */
export class KeyedList {
  /**
   * @param {HTMLElement} list
   * @param {object} how
   * @param {(value: Value) => Parts} how.make gives an item's `content` once, and what else `update` wants
   * @param {(parts: Parts, value: Value, item: HTMLElement) => void} how.update brings it up to date
   */
  constructor(list, { make, update }) {
    this.list = list;
    this.make = make;
    this.update = update;
    /** @type {Map<string, { item: HTMLElement, parts: Parts }>} */
    this.items = new Map();
  }

  /**
   * Shows exactly these, in this order.
   * @param {[key: string, value: Value][]} entries
   */
  show(entries) {
    const kept = new Set(entries.map(([key]) => key));
    for (const [key, { item }] of this.items) {
      if (kept.has(key)) continue;
      item.remove();
      this.items.delete(key);
    }
    entries.forEach(([key, value], index) => {
      const { item, parts } = this.items.get(key) ?? this.#add(key, value);
      const there = this.list.children[index];
      // Moving an item takes its focus away, so only those that are out of place move.
      if (there !== item) this.list.insertBefore(item, there ?? null);
      this.update(parts, value, item);
    });
  }

  /** @type {(key: string, value: Value) => { item: HTMLElement, parts: Parts }} */
  #add(key, value) {
    const added = { item: document.createElement("li"), parts: this.make(value) };
    added.item.append(...added.parts.content);
    this.items.set(key, added);
    return added;
  }
}
