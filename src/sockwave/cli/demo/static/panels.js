// The panels beside the conversation, which cover it on small screens: opened and closed, one at a time.

import { $ } from "./elements.js";

const panels = [
  [$("open-rooms"), $("rooms-panel")],
  [$("open-people"), $("people-panel")],
];
const closer = (/** @type {HTMLElement} */ panel) => /** @type {HTMLElement} */ (panel.querySelector(".panel-close"));
const regions = [$("conversation"), $("rooms-panel"), $("people-panel")];
for (const [opener, panel] of panels) {
  opener.addEventListener("click", () => {
    panel.classList.add("open");
    opener.setAttribute("aria-expanded", "true");
    $("scrim").hidden = false;
    for (const region of regions) region.inert = region !== panel;
    closer(panel).focus();
  });
  closer(panel).addEventListener("click", closePanels);
}
$("scrim").addEventListener("click", closePanels);
window.addEventListener("keydown", (event) => event.key === "Escape" && closePanels());
window.matchMedia("(min-width: 1100px)").addEventListener("change", closePanels);

export function closePanels() {
  for (const region of regions) region.inert = false;
  $("scrim").hidden = true;
  for (const [opener, panel] of panels) {
    if (!panel.classList.contains("open")) continue;
    panel.classList.remove("open");
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
  }
}
