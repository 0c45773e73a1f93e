// Initials on a colour of one's own, both made from the name.

export function paintAvatar(element, name) {
  element.textContent = initials(name);
  element.style.setProperty("--hue", hue(name));
}

export function avatar(name) {
  const element = document.createElement("span");
  element.className = "avatar";
  element.setAttribute("aria-hidden", "true"); // the name stands beside it
  paintAvatar(element, name);
  return element;
}

function initials(name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? name.split(" ").filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  // By code point, so that an emoji is not cut in half.
  return chosen.map((word) => [...word][0]).join("").toLocaleUpperCase();
}

function hue(name) {
  let hash = 2166136261;
  for (const character of name.toLocaleLowerCase()) {
    hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  }
  // Steps keep two colours apart, where any of 360 hues would often look alike.
  return ((hash >>> 8) % 24) * 15;
}
