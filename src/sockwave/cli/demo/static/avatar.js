// Initials on a colour of one's own, both made from the name.

/** @type {(element: HTMLElement, name: string) => void} */
export function paintAvatar(element, name) {
  element.textContent = initials(name);
  element.style.setProperty("--hue", String(hue(name)));
}

/** @param {string} name */
export function avatar(name) {
  const element = document.createElement("span");
  element.className = "avatar";
  element.setAttribute("aria-hidden", "true"); // the name stands beside it
  paintAvatar(element, name);
  return element;
}

/** @param {string} name */
function initials(name) {
  /** @type {string[]} */
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? name.split(" ").filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  // By code point, so that an emoji is not cut in half.
  return chosen.map((word) => [...word][0]).join("").toLocaleUpperCase();
}

/** @param {string} name */
function hue(name) {
  let hash = 2166136261;
  for (const character of name.toLocaleLowerCase()) {
    hash = Math.imul(hash ^ Number(character.codePointAt(0)), 16777619);
  }
  // Steps keep two colours apart, where any of 360 hues would often look alike.
  return ((hash >>> 8) % 24) * 15;
}
