// Pictures by id as object URLs: the latest ones are kept, so that a room switch fetches nothing twice.

const KEEP = 60;

export const MAX_PICTURE = 800_000; // bytes, as on the server
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

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

// Returns what is wrong with a file, or null.
export function problemWith(file) {
  if (!TYPES.includes(file.type)) return "Only PNG, JPEG, GIF and WebP pictures can be shown.";
  if (file.size > MAX_PICTURE) {
    return `This picture has ${readable(file.size)}; the limit is ${readable(MAX_PICTURE)}.`;
  }
  return null;
}

function readable(bytes) {
  // Rounded up, so that what is too much never reads like the limit.
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
