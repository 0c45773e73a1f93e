// Pictures by id as object URLs: the latest ones are kept, so that a room switch fetches nothing twice.
// And what is sent: photos of any size are made smaller here, so that the server never sees the large one.

const KEEP = 60;

export const MAX_PICTURE = 800_000; // bytes, as on the server
const MAX_FILE = 100_000_000; // bytes; what is larger a phone may not have the memory to decode
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const EDGES = [2048, 1600, 1200, 800, 480]; // pixels of the longer side, tried one after the other
const QUALITIES = [0.85, 0.7];

export class Pictures {
  constructor(fetch) {
    this.fetch = fetch;
    this.urls = new Map();
  }

  put(id, { type, data }) {
    const url = URL.createObjectURL(new Blob([data], { type }));
    this.urls.set(id, url);
    if (this.urls.size > KEEP) {
      const [oldest, stale] = this.urls.entries().next().value;
      this.urls.delete(oldest);
      URL.revokeObjectURL(stale);
    }
    return url;
  }

  async get(id) {
    return this.urls.get(id) ?? this.put(id, await this.fetch(id));
  }
}

// Returns the bytes to send for a file, or throws an Error with a sentence for the one who chose it.
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

// Any picture that this browser can show, turned the right way up.
async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture that the browser can show.");
  }
}

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

function draw(picture, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// WebP keeps what is transparent. Where a browser cannot write it, JPEG on white has to do.
async function pack(canvas, quality) {
  const webp = await toBlob(canvas, "image/webp", quality);
  if (webp?.type === "image/webp") return webp;
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return await toBlob(canvas, "image/jpeg", quality);
}

function toBlob(canvas, type, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}

function megabytes(bytes) {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}
