// The chat's page: one Socket.IO connection, and what is shown of it.
//
// The types in comments are those that `sockwave contract typescript` has written of the server. They are checked by
// `tsc`, and by editors: an event that the server does not have, or not so, is an error there.

/**
 * @import { Socket } from "socket.io-client"
 * @import { Auth, ClientToServerEvents, EventFailure, Person, RoomSummary, ServerToClientEvents } from "../events.js"
 * @import { Answer, Arguments } from "../page.js"
 */

import { avatar, paintAvatar } from "./avatar.js";
import { $, span, toast } from "./elements.js";
import { TrafficGraph } from "./graph.js";
import { KeyedList } from "./lists.js";
import { MessageList } from "./messages.js";
import { closePanels } from "./panels.js";
import { Pictures, prepare } from "./pictures.js";
import { Typists } from "./typists.js";

const ACK_TIMEOUT = 8000; // milliseconds
const TYPING_EVERY = 1500; // milliseconds between two "typing" of one person
const HOME = "Lobby";

// By this the server knows who comes back after a loss. It is a secret of this page, and ends with it.
const PAGE = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const state = {
  name: "",
  /** @type {string | undefined} */ me: undefined,
  /** @type {string | null} */ room: null,
  /** @type {RoomSummary[]} */ rooms: [],
  /** @type {Person[]} */ people: [],
  /** @type {Map<string, number>} */ unread: new Map(),
};

/** @type {Socket<ServerToClientEvents, ClientToServerEvents>} */
const socket = window.io({ autoConnect: false, reconnectionDelayMax: 5000, ...webtransport() });
const pictures = new Pictures(async (id) => await request("fetch_picture", id));
const typists = new Typists($("typing"), $("typing-text"));
const graph = new TrafficGraph($("graph"), $("graph-peak"));
const messages = new MessageList({
  log: $("log"),
  list: $("messages"),
  empty: $("empty"),
  toLatest: $("to-latest"),
  pictures: (id) => pictures.get(id),
  enlarge,
});

/** With --webtransport the page says by which hash a browser knows the certificate, which no authority has signed. */
function webtransport() {
  const digits = document.documentElement.dataset.certificate?.match(/../g);
  if (!digits) return {};
  const value = Uint8Array.from(digits, (pair) => parseInt(pair, 16));
  return { transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: "sha-256", value }] } } };
}

// --- Asking the server ---------------------------------------------------------------------------

/**
 * Gives the answer to an event. A refusal is thrown: its message is a sentence for the one who asked.
 * @template {keyof ClientToServerEvents} Name
 * @param {Name} event
 * @param {Arguments<Name>} args
 * @returns {Promise<Answer<Name>>}
 */
async function request(event, ...args) {
  if (!socket.connected) throw new Error("There is no connection right now.");
  /** @type {any} */ // the client's own types know no answer where there is a timeout
  const patient = socket.timeout(ACK_TIMEOUT);
  let answer;
  try {
    answer = await patient.emitWithAck(event, ...args);
  } catch {
    throw new Error("The server did not answer in time.");
  }
  if (isFailure(answer)) throw new Error(answer.message ?? answer.error);
  return answer;
}

/**
 * @param {unknown} answer
 * @returns {answer is EventFailure}
 */
function isFailure(answer) {
  return typeof answer === "object" && answer !== null && "error" in answer;
}

/** @param {string} room */
async function enter(room) {
  const { room: name, messages: history, people } = await request("join", room);
  state.room = name;
  state.unread.delete(name);
  remember("room", name);
  typists.clear();
  $("room-error").textContent = "";
  $("room-title").textContent = name;
  $("empty-title").textContent = `It is quiet in ${name}`;
  $("text").placeholder = `Message ${name}`;
  messages.reset(history, state.name);
  showPeople(people);
  showRooms();
}

/** @param {string} room */
async function enterOrComplain(room) {
  try {
    await enter(room);
    closePanels();
  } catch (/** @type {any} */ error) {
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
  /** @type {Record<string, string>} */
  const labels = { polling: "Polling", websocket: "WebSocket", webtransport: "WebTransport" };
  setStatus("online", labels[name]);
  $("status").dataset.transport = name;
}

/** @type {(kind: "connecting" | "online", label: string) => void} */
function setStatus(kind, label) {
  const status = $("status");
  status.dataset.state = kind;
  status.textContent = label;
  status.title = kind === "online" ? `Connected over ${label}` : label;
}

/** @param {string | null} text */
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
  if (picture) pictures.put(picture);
  if (message.room !== state.room) return;
  messages.add(message);
  typists.forget(message.author);
  if (document.hidden) noteUnread(message.room);
});

socket.on("activity", (room) => noteUnread(room));
socket.on("typing", (name) => typists.note(name));

socket.on("stats", ({ connections, received, sent }) => {
  graph.push({ in: received, out: sent });
  $("rate-in").textContent = received.toLocaleString();
  $("rate-out").textContent = sent.toLocaleString();
  $("connections").textContent = connections === 1 ? "1 connection" : `${connections.toLocaleString()} connections`;
});

// --- Rooms and people ----------------------------------------------------------------------------

// Both lists are changed in place: a rebuilt one would lose focus, and clicks that are under way.
const roomItems = new KeyedList($("rooms"), {
  make(/** @type {RoomSummary} */ { name }) {
    const button = document.createElement("button");
    const [hash, count] = [span("hash", "#"), span("count", "")];
    button.type = "button";
    button.dataset.room = name;
    button.append(hash, span("room-label", name), count);
    hash.setAttribute("aria-hidden", "true");
    button.addEventListener("click", () => enterOrComplain(name));
    return { content: [button], button, count };
  },
  update({ button, count }, { name, people }) {
    const unread = state.unread.get(name) ?? 0;
    button.classList.toggle("unread", unread > 0);
    button.setAttribute("aria-current", String(name === state.room));
    count.className = unread ? "badge" : "count";
    count.hidden = !(unread || people);
    count.textContent = unread > 99 ? "99+" : String(unread || people);
    count.setAttribute("role", "img");
    count.setAttribute("aria-label", unread ? `${unread} unread` : `${people} here`);
  },
});

const peopleItems = new KeyedList($("people"), {
  make(/** @type {Person} */ { name }) {
    const note = document.createElement("small");
    return { content: [avatar(name), span("person", name), note], note };
  },
  update({ note }, person, item) {
    const lost = isLost(person);
    item.classList.toggle("lost", lost);
    note.textContent = lost ? "reconnecting…" : person.id === state.me ? "you" : "";
  },
});

// The server tells who has lost the connection; of this page nobody knows better than itself.
/** @param {Person} person */
function isLost({ id, lost }) {
  return lost || (id === state.me && !socket.connected);
}

function showRooms() {
  roomItems.show(state.rooms.map((room) => [room.name, room]));
  let unread = 0;
  for (const count of state.unread.values()) unread += count;
  $("unread-elsewhere").hidden = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ""}${state.room ?? "Chat"} · Sockwave demo`;
}

/** @param {Person[]} people */
function showPeople(people) {
  state.people = people;
  peopleItems.show(people.map((person) => [person.id, person]));
  const lost = people.filter(isLost).length;
  const here = people.length - lost;
  $("people-count").textContent = String(here);
  const words = here === 1 && !lost ? "Only you are here" : `${here} ${here === 1 ? "person" : "people"} here`;
  $("room-people").textContent = lost ? `${words}, ${lost} reconnecting` : words;
}

/** @param {string} room */
function noteUnread(room) {
  if (room === state.room && !document.hidden) return;
  state.unread.set(room, (state.unread.get(room) ?? 0) + 1);
  showRooms();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.room !== null && state.unread.delete(state.room)) showRooms();
});

$("room-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = $("room-name");
  try {
    const room = await request("create_room", input.value);
    input.value = "";
    $("room-error").textContent = "";
    await enterOrComplain(room);
  } catch (/** @type {any} */ error) {
    $("room-error").textContent = error.message;
    input.focus();
  }
});
$("room-name").addEventListener("input", () => ($("room-error").textContent = ""));

// --- Writing -------------------------------------------------------------------------------------

const text = $("text");
const send = /** @type {HTMLButtonElement} */ ($("composer").querySelector(".send"));
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
  } catch (/** @type {any} */ error) {
    if (!text.value) text.value = draft; // nobody should have to write it twice
    composerChanged();
    toast(error.message);
  }
});

function composerChanged() {
  const left = text.maxLength - text.value.length;
  $("counter").hidden = left > 200;
  $("counter").textContent = String(left);
  send.disabled = !(text.value.trim() && socket.connected);
  if (!CSS.supports("field-sizing", "content")) {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }
}

// --- Pictures ------------------------------------------------------------------------------------

/** @param {File} file */
async function sendPicture(file) {
  $("attach").setAttribute("aria-busy", "true");
  try {
    await request("picture", await prepare(file));
  } catch (/** @type {any} */ error) {
    toast(error.message);
  } finally {
    $("attach").removeAttribute("aria-busy");
  }
}

$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files ?? [];
  if (file) sendPicture(file);
  $("file").value = ""; // so that the same file can be chosen again
});

text.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  sendPicture(file);
});

const conversation = $("conversation");
let dragDepth = 0; // enter and leave also fire for every child that is crossed
const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");

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
  const inside = conversation.contains(/** @type {Node} */ (event.target));
  const [file] = event.dataTransfer?.files ?? [];
  endDrag();
  if (inside && file) sendPicture(file);
});

function endDrag() {
  dragDepth = 0;
  $("drop").hidden = true;
}

/** @type {(src: string, alt: string) => void} */
function enlarge(src, alt) {
  Object.assign($("lightbox-image"), { src, alt });
  $("lightbox").showModal();
}
$("lightbox").addEventListener("click", ({ target }) => {
  if (target === $("lightbox")) $("lightbox").close();
});

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

/** @param {string} name */
function signIn(name) {
  state.name = name;
  remember("name", name);
  socket.auth = /** @satisfies {Auth} */ ({ name, page: PAGE });
  setWelcomeBusy(true, "");
  setStatus("connecting", "Connecting");
  socket.connect();
}

$("sign-out").addEventListener("click", () => {
  socket.disconnect();
  closePanels();
  showWelcome("");
});

/** @param {string} problem */
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

/** @type {(busy: boolean, note: string) => void} */
function setWelcomeBusy(busy, note) {
  $("welcome-form").querySelector(".primary")?.setAttribute("aria-busy", String(busy));
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

// Storage may be switched off; then the name is asked for each time.
/** @type {(key: "name" | "room", value: string) => void} */
function remember(key, value) {
  try {
    localStorage.setItem(`sockwave-demo-${key}`, value);
  } catch {}
}

/** @param {"name" | "room"} key */
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
