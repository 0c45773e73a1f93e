// The chat's page: one Socket.IO connection, and what is shown of it.

import { avatar, paintAvatar } from "./avatar.js";
import { TrafficGraph } from "./graph.js";
import { KeyedList } from "./lists.js";
import { MessageList } from "./messages.js";
import { Pictures, prepare } from "./pictures.js";

const ACK_TIMEOUT = 8000; // milliseconds
const TYPING_EVERY = 1500; // milliseconds between two "typing" of one person
const TYPING_LASTS = 3000;
const HOME = "Lobby";

// By this the server knows who comes back after a loss. It is a secret of this page, and ends with it.
const PAGE = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const $ = (id) => document.getElementById(id);
const state = { name: "", me: null, room: null, rooms: [], people: [], unread: new Map(), typists: new Map() };

const socket = window.io({ autoConnect: false, reconnectionDelayMax: 5000 });
const pictures = new Pictures(async (id) => await request("fetch_picture", id));
const graph = new TrafficGraph($("graph"), $("graph-peak"));
const messages = new MessageList({
  log: $("log"),
  list: $("messages"),
  empty: $("empty"),
  toLatest: $("to-latest"),
  pictures: (id) => pictures.get(id),
  enlarge,
});

// --- Asking the server ---------------------------------------------------------------------------

// Every event is acknowledged with {ok: true, ...} or {ok: false, error: "a sentence"}.
async function request(event, ...args) {
  if (!socket.connected) throw new Error("There is no connection right now.");
  let answer;
  try {
    answer = await socket.timeout(ACK_TIMEOUT).emitWithAck(event, ...args);
  } catch {
    throw new Error("The server did not answer in time.");
  }
  if (!answer.ok) throw new Error(answer.error);
  return answer;
}

async function enter(room) {
  const { room: name, messages: history, people } = await request("join", room);
  state.room = name;
  state.unread.delete(name);
  remember("room", name);
  clearTypists();
  $("room-error").textContent = "";
  $("room-title").textContent = name;
  $("empty-title").textContent = `It is quiet in ${name}`;
  $("text").placeholder = `Message ${name}`;
  messages.reset(history, state.name);
  showPeople(people);
  showRooms();
}

async function enterOrComplain(room) {
  try {
    await enter(room);
    closePanels();
  } catch (error) {
    toast(error.message);
  }
}

// --- Connection ----------------------------------------------------------------------------------

socket.on("connect", async () => {
  state.me = socket.id;
  showChat();
  try {
    await enter(state.room ?? recall("room") ?? HOME);
  } catch {
    await enter(HOME).catch((error) => toast(error.message));
  }
  setBanner(null);
});

socket.on("connect_error", (error) => {
  // `active` is false when the server refused us: then only another name helps.
  if (socket.active) return showOffline();
  showWelcome(error.message);
});

socket.on("disconnect", (reason) => {
  if (reason === "io client disconnect") return;
  showOffline();
  if (reason === "io server disconnect") socket.connect();
});

socket.io.on("open", () => {
  const { engine } = socket.io;
  showTransport();
  engine.on("upgrade", showTransport);
});
socket.io.on("reconnect_attempt", (attempt) => attempt > 1 && setBanner(`Connection lost. Trying again (${attempt})…`));

function showOffline() {
  setStatus("connecting", "Reconnecting");
  if (!$("chat").hidden) setBanner("Connection lost. Trying to get it back…");
  else setWelcomeBusy(true, "The server cannot be reached. Trying again…");
  showPeople(state.people); // oneself among them, as the others see it soon
  composerChanged();
}

function showTransport() {
  const { name } = socket.io.engine.transport;
  const label = { polling: "Polling", websocket: "WebSocket", webtransport: "WebTransport" }[name];
  setStatus("online", label);
  $("status").dataset.transport = name;
}

function setStatus(kind, label) {
  const status = $("status");
  status.dataset.state = kind;
  status.textContent = label;
  status.title = kind === "online" ? `Connected over ${label}` : label;
}

function setBanner(text) {
  $("banner").hidden = text === null;
  $("banner-text").textContent = text ?? "";
}

$("retry").addEventListener("click", () => socket.disconnect().connect());

// --- Events of the server ------------------------------------------------------------------------

socket.on("rooms", (rooms) => {
  state.rooms = rooms;
  showRooms();
});

socket.on("people", (room, people) => {
  if (room === state.room) showPeople(people);
});

socket.on("message", (message, picture) => {
  if (picture) pictures.put(message.picture, picture);
  if (message.room !== state.room) return;
  messages.add(message);
  forgetTypist(message.author);
  if (document.hidden) noteUnread(message.room);
});

socket.on("activity", (room) => noteUnread(room));
socket.on("typing", noteTypist);

socket.on("stats", ({ connections, received, sent }) => {
  graph.push({ in: received, out: sent });
  $("rate-in").textContent = received.toLocaleString();
  $("rate-out").textContent = sent.toLocaleString();
  $("connections").textContent = connections === 1 ? "1 connection" : `${connections.toLocaleString()} connections`;
});

// --- Rooms and people ----------------------------------------------------------------------------

// Both lists are changed in place: a rebuilt one would lose focus, and clicks that are under way.
const roomItems = new KeyedList($("rooms"), {
  make({ name }) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.room = name;
    button.append(span("hash", "#"), span("room-label", name), span("count", ""));
    button.firstChild.setAttribute("aria-hidden", "true");
    button.addEventListener("click", () => enterOrComplain(name));
    return button;
  },
  update(item, { name, people }) {
    const button = item.firstChild;
    const unread = state.unread.get(name) ?? 0;
    button.classList.toggle("unread", unread > 0);
    button.setAttribute("aria-current", String(name === state.room));
    const count = button.lastChild;
    count.className = unread ? "badge" : "count";
    count.hidden = !(unread || people);
    count.textContent = unread > 99 ? "99+" : unread || people;
    count.setAttribute("role", "img");
    count.setAttribute("aria-label", unread ? `${unread} unread` : `${people} here`);
  },
});

const peopleItems = new KeyedList($("people"), {
  make: ({ name }) => [avatar(name), span("person", name), document.createElement("small")],
  update(item, person) {
    const lost = isLost(person);
    item.classList.toggle("lost", lost);
    item.lastChild.textContent = lost ? "reconnecting…" : person.id === state.me ? "you" : "";
  },
});

// The server tells who has lost the connection; of this page nobody knows better than itself.
function isLost({ id, lost }) {
  return lost === true || (id === state.me && !socket.connected);
}

function showRooms() {
  roomItems.show(state.rooms.map((room) => [room.name, room]));
  let unread = 0;
  for (const count of state.unread.values()) unread += count;
  $("unread-elsewhere").hidden = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ""}${state.room ?? "Chat"} · Sockwave demo`;
}

function showPeople(people) {
  state.people = people;
  peopleItems.show(people.map((person) => [person.id, person]));
  const lost = people.filter(isLost).length;
  const here = people.length - lost;
  $("people-count").textContent = here;
  const words = here === 1 && !lost ? "Only you are here" : `${here} ${here === 1 ? "person" : "people"} here`;
  $("room-people").textContent = lost ? `${words}, ${lost} reconnecting` : words;
}

function noteUnread(room) {
  if (room === state.room && !document.hidden) return;
  state.unread.set(room, (state.unread.get(room) ?? 0) + 1);
  showRooms();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.unread.delete(state.room)) showRooms();
});

$("room-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = $("room-name");
  try {
    const { room } = await request("create_room", input.value);
    input.value = "";
    $("room-error").textContent = "";
    await enterOrComplain(room);
  } catch (error) {
    $("room-error").textContent = error.message;
    input.focus();
  }
});
$("room-name").addEventListener("input", () => ($("room-error").textContent = ""));

// --- Typing --------------------------------------------------------------------------------------

function noteTypist(name) {
  clearTimeout(state.typists.get(name));
  state.typists.set(name, setTimeout(forgetTypist, TYPING_LASTS, name));
  showTypists();
}

function forgetTypist(name) {
  clearTimeout(state.typists.get(name));
  if (state.typists.delete(name)) showTypists();
}

function clearTypists() {
  for (const timer of state.typists.values()) clearTimeout(timer);
  state.typists.clear();
  showTypists();
}

function showTypists() {
  const names = [...state.typists.keys()];
  $("typing").classList.toggle("active", names.length > 0);
  if (names.length === 1) $("typing-text").textContent = `${names[0]} is typing`;
  else if (names.length === 2) $("typing-text").textContent = `${names[0]} and ${names[1]} are typing`;
  else if (names.length) $("typing-text").textContent = "Several people are typing";
  else $("typing-text").textContent = "";
}

// --- Writing -------------------------------------------------------------------------------------

const text = $("text");
let typingSent = -Infinity;

text.addEventListener("input", () => {
  composerChanged();
  if (text.value.trim() && performance.now() - typingSent > TYPING_EVERY) {
    typingSent = performance.now();
    socket.volatile.emit("typing");
  }
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const draft = text.value;
  if (!draft.trim()) return;
  text.value = "";
  typingSent = -Infinity;
  composerChanged();
  text.focus();
  try {
    await request("message", draft);
  } catch (error) {
    if (!text.value) text.value = draft; // nobody should have to write it twice
    composerChanged();
    toast(error.message);
  }
});

function composerChanged() {
  const left = text.maxLength - text.value.length;
  $("counter").hidden = left > 200;
  $("counter").textContent = left;
  $("composer").querySelector(".send").disabled = !(text.value.trim() && socket.connected);
  if (!CSS.supports("field-sizing", "content")) {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }
}

// --- Pictures ------------------------------------------------------------------------------------

async function sendPicture(file) {
  $("attach").setAttribute("aria-busy", "true");
  try {
    await request("picture", await prepare(file));
  } catch (error) {
    toast(error.message);
  } finally {
    $("attach").removeAttribute("aria-busy");
  }
}

$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) sendPicture(file);
  target.value = ""; // so that the same file can be chosen again
});

text.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  sendPicture(file);
});

const conversation = $("conversation");
let dragDepth = 0; // enter and leave also fire for every child that is crossed
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

conversation.addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  dragDepth += 1;
  $("drop-text").textContent = `Drop the picture to show it in ${state.room}`;
  $("drop").hidden = false;
});
conversation.addEventListener("dragleave", (event) => {
  if (carriesFiles(event)) dragDepth -= 1;
  if (dragDepth <= 0) endDrag();
});
// A file dropped beside the chat must not replace the page.
window.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
window.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const inside = conversation.contains(event.target);
  endDrag();
  if (inside && event.dataTransfer.files.length) sendPicture(event.dataTransfer.files[0]);
});

function endDrag() {
  dragDepth = 0;
  $("drop").hidden = true;
}

function enlarge(src, alt) {
  Object.assign($("lightbox-image"), { src, alt });
  $("lightbox").showModal();
}
$("lightbox").addEventListener("click", ({ currentTarget, target }) => {
  if (target === currentTarget) currentTarget.close();
});

// --- Panels on small screens ---------------------------------------------------------------------

const panels = [
  [$("open-rooms"), $("rooms-panel")],
  [$("open-people"), $("people-panel")],
];
const regions = [conversation, $("rooms-panel"), $("people-panel")];
for (const [opener, panel] of panels) {
  opener.addEventListener("click", () => {
    panel.classList.add("open");
    opener.setAttribute("aria-expanded", "true");
    $("scrim").hidden = false;
    for (const region of regions) region.inert = region !== panel;
    panel.querySelector(".panel-close").focus();
  });
  panel.querySelector(".panel-close").addEventListener("click", closePanels);
}
$("scrim").addEventListener("click", closePanels);
window.addEventListener("keydown", (event) => event.key === "Escape" && closePanels());
window.matchMedia("(min-width: 1100px)").addEventListener("change", closePanels);

function closePanels() {
  for (const region of regions) region.inert = false;
  $("scrim").hidden = true;
  for (const [opener, panel] of panels) {
    if (!panel.classList.contains("open")) continue;
    panel.classList.remove("open");
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
  }
}

// --- Coming and going ----------------------------------------------------------------------------

const nameInput = $("name");

$("welcome-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameInput.value.trim().replace(/\s+/g, " ");
  if (!name) {
    $("name-error").textContent = "Please tell the others what to call you.";
    nameInput.focus();
    return;
  }
  signIn(name);
});

nameInput.addEventListener("input", () => {
  $("name-error").textContent = "";
  paintAvatar($("name-avatar"), nameInput.value);
});

function signIn(name) {
  state.name = name;
  remember("name", name);
  socket.auth = { name, page: PAGE };
  setWelcomeBusy(true, "");
  setStatus("connecting", "Connecting");
  socket.connect();
}

$("sign-out").addEventListener("click", () => {
  socket.disconnect();
  closePanels();
  showWelcome("");
});

function showWelcome(problem) {
  socket.disconnect();
  $("chat").hidden = true;
  $("welcome").hidden = false;
  document.title = "Sockwave demo";
  setWelcomeBusy(false, problem);
  nameInput.value = state.name;
  paintAvatar($("name-avatar"), state.name);
  nameInput.select();
}

function setWelcomeBusy(busy, note) {
  $("welcome-form").querySelector(".primary").setAttribute("aria-busy", String(busy));
  $("name-error").textContent = note;
}

function showChat() {
  const arriving = $("chat").hidden;
  $("welcome").hidden = true;
  $("chat").hidden = false;
  paintAvatar($("my-avatar"), state.name);
  $("my-name").textContent = state.name;
  composerChanged();
  // On a phone the keyboard would cover half of what one came to see.
  if (arriving && window.matchMedia("(hover: hover)").matches) text.focus();
}

// A page that waits behind the Back button would look present to the others until the ping timeout.
window.addEventListener("pagehide", () => socket.disconnect());
window.addEventListener("pageshow", (event) => event.persisted && !$("chat").hidden && socket.connect());

let toastTimer;
function toast(message) {
  clearTimeout(toastTimer);
  $("toast").textContent = message;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), 5000);
}

function span(className, content) {
  return Object.assign(document.createElement("span"), { className, textContent: content, dir: "auto" });
}

// Storage may be switched off; then the name is asked for each time.
function remember(key, value) {
  try {
    localStorage.setItem(`sockwave-demo-${key}`, value);
  } catch {}
}

function recall(key) {
  try {
    return localStorage.getItem(`sockwave-demo-${key}`);
  } catch {
    return null;
  }
}

const known = recall("name");
if (known) {
  signIn(known);
  // Usually the chat is there before anybody could read the card, so it need not flash up.
  setTimeout(() => ($("welcome").hidden = !$("chat").hidden), 400);
} else {
  $("welcome").hidden = false;
  nameInput.focus();
}
