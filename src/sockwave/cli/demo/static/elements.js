// Elements by their ids, small ones that are made, and the note that comes and goes.

/** @import { ElementOf } from "../page.js" */

/** @type {<Id extends string>(id: Id) => ElementOf<Id>} */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** @type {(className: string, content: string) => HTMLElement} */
export function span(className, content) {
  return Object.assign(document.createElement("span"), { className, textContent: content, dir: "auto" });
}

/** @type {number | undefined} */
let toastTimer;

/** @param {string} message */
export function toast(message) {
  clearTimeout(toastTimer);
  $("toast").textContent = message;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), 5000);
}
