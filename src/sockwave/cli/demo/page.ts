// What the page's scripts are checked with, beside `events.ts`. Browsers see none of it.

import type { io } from "socket.io-client";
import type { ClientToServerEvents, EventFailure } from "./events.js";

declare global {
  interface Window {
    /** The client, from the script that the server has at /socket.io/. */
    io: typeof io;
  }
}

type Name = keyof ClientToServerEvents;
type Ack = (...answer: any[]) => void;

/** The parameters of an event with an acknowledgement. */
type Call<N extends Name> = Extract<Parameters<ClientToServerEvents[N]>, [...unknown[], Ack]>;

/** What an event is sent with. */
export type Arguments<N extends Name> = Call<N> extends [...infer Sent, Ack] ? Sent : never;

/** What it is answered with, unless the server refuses it. */
export type Answer<N extends Name> =
  Call<N> extends [...unknown[], infer Last extends Ack]
    ? Exclude<Parameters<Last>[0], EventFailure>
    : never;

/** Elements of `index.html` that are more than an HTMLElement, by id. */
interface Elements {
  attach: HTMLButtonElement;
  composer: HTMLFormElement;
  file: HTMLInputElement;
  graph: SVGSVGElement;
  lightbox: HTMLDialogElement;
  "lightbox-image": HTMLImageElement;
  name: HTMLInputElement;
  "room-name": HTMLInputElement;
  text: HTMLTextAreaElement;
}

export type ElementOf<Id extends string> = Id extends keyof Elements ? Elements[Id] : HTMLElement;
