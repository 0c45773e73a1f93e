"use strict";
// Windows of the tutorial's page, one after the other: CLIENT, URL, NAMES... Each line that one shows
// is printed. The last one says "hello" when the page can. It ends with a signal.

const [client, url, ...names] = process.argv.slice(2);
const { io: connect } = require(client);

async function open(name, html, says) {
  const source = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((found) => found[1]).join("\n");
  const handlers = {};
  let seen;
  const settled = new Promise((resolve) => (seen = resolve));
  const log = {
    append(item) {
      console.log(`${name || "nobody"}> ${item.textContent}`);
      seen();
    },
  };
  const form = { addEventListener: (kind, handler) => (handlers[kind] = handler) };
  const text = { value: "" };
  const window = {
    io: (options) => connect(url, { ...options, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500 }),
    prompt: () => name,
    document: { createElement: () => ({}) },
    log,
    form,
    text,
  };
  new Function(...Object.keys(window), source)(...Object.values(window));
  await settled;
  if (says && handlers.submit) {
    text.value = "hello";
    handlers.submit({ preventDefault() {} });
  }
}

(async () => {
  for (const [number, name] of names.entries()) {
    const html = await (await fetch(`${url}/`)).text();
    await open(name, html, number === names.length - 1);
  }
})();
