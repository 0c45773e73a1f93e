// What a user writes with the types of tests/support/contracts.py, and what must not compile.
import { io, Socket } from "socket.io-client";
import type {
  Auth,
  ClientToServerEvents,
  EmitWithoutAck,
  EventFailure,
  Order,
  OrgOrgIdClientToServerEvents,
  OrgOrgIdServerToClientEvents,
  Photo,
  Placed,
  ReceivedBytes,
  ServerToClientEvents,
  Tree,
} from "./events.js";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const auth: Auth = { token: "x" };
const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("/", { auth });
const order: Order = { item: "tea", count: 2, "my-note": null, color: "red" };
const tree: Tree = [1, [2, [3]], []];
console.log(tree);

export async function asking(): Promise<void> {
  const placed = await socket.emitWithAck("place", order);
  same<typeof placed, Placed | EventFailure>(true);
  if ("error" in placed) {
    same<typeof placed, EventFailure>(true);
  } else {
    same<typeof placed, Placed>(true);
  }
  const noted = await socket.emitWithAck("note", order);
  same<typeof noted, number | EventFailure>(true);
  await socket.emitWithAck("note", order, "text");
  await socket.emitWithAck("note", order, null);
  const photo = await socket.emitWithAck("upload", {
    data: new Uint8Array(3),
    next: { data: new ArrayBuffer(3), next: { data: new Blob([]) } },
  });
  same<typeof photo, Photo<ReceivedBytes> | EventFailure>(true);
  const first = await socket.emitWithAck("two");
  same<typeof first, number | EventFailure>(true);
  const sum = await socket.emitWithAck("sum", 1, 2, 3);
  same<typeof sum, number | EventFailure>(true);
  await socket.emitWithAck("typing", true);

  // @ts-expect-error a wrong name
  await socket.emitWithAck("plaice", order);
  // @ts-expect-error no argument
  await socket.emitWithAck("place");
  // @ts-expect-error a wrong property
  await socket.emitWithAck("place", { item: 5 });
  // @ts-expect-error none of the texts
  await socket.emitWithAck("place", { item: "x", color: "blue" });
  // @ts-expect-error a property with a slip
  await socket.emitWithAck("place", { item: "x", cuont: 5 });
  // @ts-expect-error a wrong optional argument
  await socket.emitWithAck("note", order, 5);
  // @ts-expect-error no order
  await socket.emitWithAck("note");
  // @ts-expect-error text for bytes
  await socket.emitWithAck("upload", { data: "text" });
  // @ts-expect-error a wrong one of the rest
  await socket.emitWithAck("sum", 1, 2, "3");
  // @ts-expect-error a wrong answer
  const wrong: Placed = await socket.emitWithAck("place", order);
  console.log(wrong);
}

socket.emit("place", order, (answer) => same<typeof answer, Placed | EventFailure>(true));
socket.timeout(5).emit("place", order, (error, answer) => {
  same<typeof error, Error>(true);
  same<typeof answer, Placed | EventFailure>(true);
});
socket.emit("two", (first, second) => {
  same<typeof first, number | EventFailure>(true);
  same<typeof second, string | undefined>(true);
});
socket.emit("typing", true);
socket.emit("typing", true, (failure) => console.log(failure?.error));
socket.timeout(5).emit("typing", true, (error: Error | null, failure?: EventFailure) => {
  console.log(error, failure);
});
socket.emit("unsaid", { any: 1 });
socket.emit("unsaid", 5, (answer: string) => console.log(answer));
// @ts-expect-error a wrong argument
socket.emit("typing", "yes");
// @ts-expect-error a wrong answer
socket.emit("place", order, (answer: number) => console.log(answer));

const bold: Socket<ServerToClientEvents, ClientToServerEvents> & EmitWithoutAck = io();
bold.emit("place", order);
bold.volatile.emit("place", order);
bold.emit("place", order, (answer) => same<typeof answer, Placed | EventFailure>(true));
bold.emit("note", order);
bold.emit("note", order, "x");
bold.emit("sum", 1, 2, 3);
// @ts-expect-error a wrong property
bold.emit("place", { item: 1 });
// @ts-expect-error a wrong name
bold.emit("nothing");

socket.on("message", (text, by) => {
  same<typeof text, string>(true);
  same<typeof by, string | undefined>(true);
});
socket.on("picture", (photo) => same<typeof photo.data, ReceivedBytes>(true));
socket.on("pair", ([number, text]) => {
  same<typeof number, number>(true);
  same<typeof text, string>(true);
});
socket.on("ask", (question, ack) => ack(question === "x"));
socket.on("connect", () => console.log(socket.id));
// @ts-expect-error a wrong answer
socket.on("ask", (question, ack) => ack("no"));
// @ts-expect-error a wrong name
socket.on("massage", () => console.log());
// @ts-expect-error a wrong argument
socket.on("message", (text: number) => console.log(text));

const org: Socket<OrgOrgIdServerToClientEvents, OrgOrgIdClientToServerEvents> = io("/org/7");
org.emit("go");
// @ts-expect-error of another namespace
org.on("message", () => console.log());
