"use strict";
// As much of a browser as the old clients need to poll by scripts and forms (JSONP). A script runs
// only where a browser would run it, and a form is sent as a browser sends one.

const http = require("node:http");
const vm = require("node:vm");

class Element {
  constructor(tag) {
    if (tag.startsWith("<")) throw new Error("a name, not HTML");
    this.tag = tag;
    this.style = {};
    this.children = [];
  }
  setAttribute() {}
  appendChild(child) {
    this.children.push(child);
    child.parentNode = this;
    if (child.tag === "script") load(child);
  }
  insertBefore(child) {
    this.appendChild(child);
  }
  removeChild(child) {
    this.children.splice(this.children.indexOf(child), 1);
    child.parentNode = null;
  }
  submit() {
    const area = this.children.find((child) => child.tag === "textarea");
    const value = area.value.replace(/\r\n|\r|\n/g, "\r\n");
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const request = http.request(this.action, { method: "POST", headers }, (response) => {
      response.resume();
      response.on("end", () => this.children.find((child) => child.tag === "iframe")?.onload());
    });
    request.on("error", () => {});
    request.end(new URLSearchParams({ [area.name]: value }).toString());
  }
}

function load(script) {
  const request = http.get(script.src, (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (chunk) => (body += chunk));
    response.on("end", () => {
      const runs =
        response.statusCode === 200 &&
        response.headers["x-content-type-options"] === "nosniff" &&
        response.headers["content-type"].startsWith("text/javascript");
      runs ? vm.runInThisContext(body) : script.onerror?.(new Error(`status ${response.statusCode}`));
    });
  });
  request.on("error", (error) => script.onerror?.(error));
}

const head = new Element("head");
const first = new Element("script");
first.parentNode = head;
global.document = {
  head,
  body: new Element("body"),
  createElement: (tag) => new Element(tag),
  getElementsByTagName: () => [first],
};
