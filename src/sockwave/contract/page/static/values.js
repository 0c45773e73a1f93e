// Values on their way to the screen and back. Binary has no place in JSON: it is written as
// {"$binary": "<base64>"}.

const BINARY = "$binary";

export function isBinary(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof Blob;
}

function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer;
}

function replaced(value, forBinary) {
  if (value instanceof Blob) return `<binary, ${value.size} bytes>`;
  if (isBinary(value)) return forBinary(bytesOf(value));
  if (Array.isArray(value)) return value.map((each) => replaced(each, forBinary));
  if (typeof value === "bigint") return `${value}`;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each, forBinary)]));
}

function shortBinary(bytes) {
  const first = [...bytes.subarray(0, 8)].map((each) => each.toString(16).padStart(2, "0")).join(" ");
  return `<binary, ${bytes.length} bytes: ${first}${bytes.length > 8 ? " ..." : ""}>`;
}

/** A value as text to read. */
export function shown(value, indent) {
  return JSON.stringify(replaced(value, shortBinary), null, indent) ?? "undefined";
}

/** A value as text to edit. */
export function edited(value) {
  return JSON.stringify(replaced(value, (bytes) => ({ [BINARY]: toBase64(bytes) })), null, 2) ?? "";
}

function revived(value) {
  if (Array.isArray(value)) return value.map(revived);
  if (value === null || typeof value !== "object") return value;
  if (Object.keys(value).length === 1 && typeof value[BINARY] === "string") return fromBase64(value[BINARY]);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, revived(each)]));
}

/** The value of text that was edited; throws if it is no JSON. */
export function parsed(text) {
  return revived(JSON.parse(text));
}
