// Pictures by id as object URLs: the latest ones are kept, so that a room switch fetches nothing twice.
// And what is sent: photos of any size are made smaller here, so that the server never sees the large one.

/** @import { Picture, ReceivedBytes } from "../events.js" */

const KEEP = 60;

export const MAX_PICTURE = 800_000; // bytes, as on the server
const MAX_FILE = 100_000_000; // bytes; what is larger a phone may not have the memory to decode
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const EDGES = [2048, 1600, 1200, 800, 480]; // pixels of the longer side, tried one after the other
const QUALITIES = [0.85, 0.7];

export class Pictures {
  /** @param {(id: number) => Promise<Picture<ReceivedBytes>>} fetch */
  constructor(fetch) {
    this.fetch = fetch;
    /** @type {Map<number, string>} */
    this.urls = new Map();
  }

  /** @param {Picture<ReceivedBytes>} picture */
  put({ id, type, data }) {
    const bytes = /** @type {ArrayBuffer} */ (data); // what browsers get
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    this.urls.set(id, url);
    if (this.urls.size > KEEP) {
      const [[oldest, stale]] = this.urls;
      this.urls.delete(oldest);
      URL.revokeObjectURL(stale);
    }
    return url;
  }

  /** @param {number} id */
  async get(id) {
    return this.urls.get(id) ?? this.put(await this.fetch(id));
  }
}

/**
 * Returns the bytes to send for a file, or throws an Error with a sentence for the one who chose it.
 * @param {File} file
 */
export async function prepare(file) {
  if (TYPES.includes(file.type) && file.size <= MAX_PICTURE) return await file.arrayBuffer();
  if (file.size > MAX_FILE) {
    throw new Error(`This picture has ${megabytes(file.size)}; the limit is ${megabytes(MAX_FILE)}.`);
  }
  const picture = await decode(file);
  try {
    return await shrink(picture);
  } finally {
    picture.close();
  }
}

/**
 * Any picture that this browser can show, turned the right way up.
 * @param {File} file
 */
async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture that the browser can show.");
  }
}

/** @param {ImageBitmap} picture */
async function shrink(picture) {
  const longer = Math.max(picture.width, picture.height);
  for (const edge of EDGES) {
    // A small picture in a large file is only packed anew; it is never made larger.
    const scale = Math.min(1, edge / longer);
    const canvas = draw(picture, scale);
    for (const quality of QUALITIES) {
      const blob = await pack(canvas, quality);
      if (blob && blob.size <= MAX_PICTURE) return await blob.arrayBuffer();
    }
  }
  throw new Error("This picture cannot be made small enough.");
}

/** @type {(picture: ImageBitmap, scale: number) => HTMLCanvasElement} */
function draw(picture, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = plane(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * WebP keeps what is transparent. Where a browser cannot write it, JPEG on white has to do.
 * @type {(canvas: HTMLCanvasElement, quality: number) => Promise<Blob | null>}
 */
async function pack(canvas, quality) {
  const webp = await toBlob(canvas, "image/webp", quality);
  if (webp?.type === "image/webp") return webp;
  const context = plane(canvas);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return await toBlob(canvas, "image/jpeg", quality);
}

/** @param {HTMLCanvasElement} canvas */
function plane(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** @type {(canvas: HTMLCanvasElement, type: string, quality: number) => Promise<Blob | null>} */
function toBlob(canvas, type, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}
