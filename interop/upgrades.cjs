"use strict";
// Opens many clients with default transports; events with numbers flow both ways from before the
// upgrade until after it. Prints one JSON line for each client: what it sent and saw.
//
//   node upgrades.cjs URL CLIENTS

const { io } = require("sio4");
const [url, clients] = process.argv.slice(2);
const EVERY = 10; // milliseconds between two events of a client, if the machine keeps up
const AFTER = 20; // events of each side that must arrive after the upgrade

const extra = (n) => (n % 10 === 0 ? Buffer.from(`binary ${n}`) : `text ${n}`);

function open() {
  const socket = io(url, { forceNew: true, reconnection: false });
  const report = { began: "", ended: "", sent: 0, seen: 0, sentInUpgrade: 0, seenInUpgrade: 0, wrong: [] };
  const { engine } = socket.io;
  report.began = engine.transport.name;

  const send = () => {
    socket.emit("n", report.sent, extra(report.sent));
    if (engine.upgrading) report.sentInUpgrade++;
    report.sent++;
  };
  // "upgrading" comes with the answer to the probe: polling is paused next.
  engine.on("upgrading", () => {
    for (let n = 0; n < 5; n++) send();
  });
  socket.on("n", (n, value) => {
    const isRight = n % 10 ? value === `text ${n}` : Buffer.isBuffer(value) && `${value}` === `binary ${n}`;
    if (n !== report.seen || !isRight) report.wrong.push([report.seen, n, String(value)]);
    if (engine.upgrading) report.seenInUpgrade++;
    report.seen++;
  });
  socket.on("disconnect", (reason) => report.wrong.push(reason));
  socket.on("connect_error", (error) => report.wrong.push(error.message));

  return new Promise((resolve) => {
    let upgradedAt; // what was sent and seen by then
    engine.on("upgrade", () => (upgradedAt = { sent: report.sent, seen: report.seen }));
    const timer = setInterval(() => {
      const isEnough =
        upgradedAt && report.sent >= upgradedAt.sent + AFTER && report.seen >= upgradedAt.seen + AFTER;
      if (!isEnough && !report.wrong.length) return send();
      clearInterval(timer);
      if (report.wrong.length) return resolve(report);
      socket.emit("done", report.sent, (sentByServer) => {
        if (sentByServer !== report.seen) report.wrong.push(["end", report.seen, sentByServer]);
        report.ended = engine.transport.name;
        socket.off("disconnect").disconnect();
        resolve(report);
      });
    }, EVERY);
    send();
  });
}

for (let n = 0; n < Number(clients); n++) {
  open().then((report) => console.log(JSON.stringify(report)));
}
