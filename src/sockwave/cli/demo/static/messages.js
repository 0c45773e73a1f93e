// The list of messages. Whatever people wrote goes in through textContent, never as HTML.

import { avatar } from "./avatar.js";

/** @import { Message } from "../events.js" */

const GROUP_WITHIN = 5 * 60_000; // milliseconds between two messages under one name
const KEEP = 300; // messages in the page; a room's history has 100
const NEAR_END = 80; // pixels from the end that still count as reading along
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s){1,12}$/u;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class MessageList {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.log
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.empty
   * @param {HTMLElement} parts.toLatest
   * @param {(id: number) => Promise<string>} parts.pictures gives an object URL by picture id
   * @param {(src: string, alt: string) => void} parts.enlarge shows one in full
   */
  constructor({ log, list, empty, toLatest, pictures, enlarge }) {
    this.log = log;
    this.list = list;
    this.empty = empty;
    this.toLatest = toLatest;
    this.pictures = pictures;
    this.enlarge = enlarge;
    this.me = "";
    /** @type {{ message: Message, item: HTMLElement } | null} */
    this.last = null;
    this.visible = new IntersectionObserver((entries) => this.#fill(entries), { root: log, rootMargin: "200px" });
    toLatest.addEventListener("click", () => this.scrollToEnd());
    this.following = true;
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The composer grows, the keyboard opens, a picture loads: stay at the end if we were there.
    const keepEnd = new ResizeObserver(() => this.following && this.scrollToEnd());
    keepEnd.observe(log);
    keepEnd.observe(list);
  }

  /** @type {(messages: Message[], me: string) => void} */
  reset(messages, me) {
    this.me = me;
    this.last = null;
    this.visible.disconnect();
    // A screen reader should read what is said from now on, not a hundred old messages.
    this.log.setAttribute("aria-live", "off");
    setTimeout(() => this.log.setAttribute("aria-live", "polite"), 1000);
    this.list.replaceChildren();
    for (const message of messages) this.#append(message);
    this.#showEmptiness();
    this.scrollToEnd();
  }

  /** @param {Message} message */
  add(message) {
    const follow = this.following || message.author === this.me;
    this.#append(message).classList.add("fresh");
    while (this.list.childElementCount > KEEP) this.list.firstElementChild?.remove();
    this.#showEmptiness();
    if (follow) this.scrollToEnd();
    else this.toLatest.hidden = false;
  }

  scrollToEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.following = true;
    this.toLatest.hidden = true;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.following) this.toLatest.hidden = true;
  }

  #showEmptiness() {
    this.empty.hidden = this.list.childElementCount > 0;
  }

  /** @param {Message} message */
  #append(message) {
    const previous = this.last;
    const newDay = !previous || day.format(previous.message.at) !== day.format(message.at);
    if (newDay) this.list.append(dayLine(message.at));
    const grouped =
      !newDay && previous.message.author === message.author && message.at - previous.message.at < GROUP_WITHIN;
    const item = document.createElement("li");
    item.className = "message last";
    item.classList.toggle("mine", message.author === this.me);
    if (grouped) {
      previous.item.classList.remove("last");
    } else {
      item.classList.add("first");
      item.append(avatar(message.author), heading(message));
    }
    item.append(message.picture === null ? textBubble(message.text) : this.#pictureBubble(message));
    this.list.append(item);
    this.last = { message, item };
    return item;
  }

  /** @param {Message} message */
  #pictureBubble(message) {
    const bubble = element("div", "bubble picture");
    const waiting = element("div", "waiting");
    waiting.setAttribute("aria-busy", "true");
    bubble.append(waiting);
    Object.assign(bubble.dataset, { picture: message.picture, author: message.author });
    this.visible.observe(bubble);
    return bubble;
  }

  /**
   * Pictures of the history are fetched when they come into view, not all at once.
   * @param {IntersectionObserverEntry[]} entries
   */
  #fill(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.visible.unobserve(target);
      this.#load(/** @type {HTMLElement} */ (target));
    }
  }

  /** @param {HTMLElement} bubble */
  async #load(bubble) {
    const image = document.createElement("img");
    image.alt = `Picture from ${bubble.dataset.author}`;
    try {
      image.src = await this.pictures(Number(bubble.dataset.picture));
      await image.decode();
    } catch (/** @type {any} */ error) {
      const note = element("div", "waiting");
      note.textContent = error.name === "EncodingError" ? "This picture is damaged." : error.message;
      bubble.replaceChildren(note);
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Enlarge the picture from ${bubble.dataset.author}`);
    button.append(image);
    button.addEventListener("click", () => this.enlarge(image.src, image.alt));
    bubble.replaceChildren(button);
  }
}

/** @param {Message} message */
function heading(message) {
  const head = element("div", "message-head");
  const name = document.createElement("strong");
  name.textContent = message.author;
  name.dir = "auto";
  const time = document.createElement("time");
  time.dateTime = new Date(message.at).toISOString();
  time.textContent = clock.format(message.at);
  head.append(name, time);
  return head;
}

/** @param {string} text */
function textBubble(text) {
  const bubble = element("div", "bubble");
  bubble.classList.toggle("emoji", ONLY_EMOJI.test(text) && /\p{Extended_Pictographic}/u.test(text));
  bubble.dir = "auto";
  bubble.textContent = text;
  return bubble;
}

/** @param {number} at */
function dayLine(at) {
  const line = element("li", "day");
  line.textContent = day.format(at) === day.format(Date.now()) ? "Today" : day.format(at);
  return line;
}

/** @type {(tag: "div" | "li", className: string) => HTMLElement} */
function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
