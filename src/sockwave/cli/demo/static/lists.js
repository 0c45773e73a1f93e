// A list whose items are made once and updated in place, by key.

export class KeyedList {
  // `make(value)` gives an item's content once; `update(item, value)` brings it up to date.
  constructor(list, { make, update }) {
    Object.assign(this, { list, make, update });
    this.items = new Map();
  }

  // Shows exactly these `[key, value]` pairs, in this order.
  show(entries) {
    const kept = new Set(entries.map(([key]) => key));
    for (const [key, item] of this.items) {
      if (kept.has(key)) continue;
      item.remove();
      this.items.delete(key);
    }
    entries.forEach(([key, value], index) => {
      const item = this.items.get(key) ?? this.#add(key, value);
      const there = this.list.children[index];
      // Moving an item takes its focus away, so only those that are out of place move.
      if (there !== item) this.list.insertBefore(item, there ?? null);
      this.update(item, value);
    });
  }

  #add(key, value) {
    const item = document.createElement("li");
    item.append(...[this.make(value)].flat());
    this.items.set(key, item);
    return item;
  }
}
