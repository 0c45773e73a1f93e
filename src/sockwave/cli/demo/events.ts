/**
 * Sockwave demo 0.0.0: what the server says and hears at /socket.io.
 *
 * Written by `sockwave contract typescript`: change the server instead.
 */

/** Bytes, as the client takes them; the last one is a `Blob` or `File`. */
export type SentBytes =
  | ArrayBuffer
  | ArrayBufferView
  | { readonly size: number; readonly type: string; arrayBuffer(): Promise<ArrayBuffer> };

/** Bytes, as the client hands them over: `ArrayBuffer` in browsers, `Buffer` in Node. */
export type ReceivedBytes = ArrayBuffer | Uint8Array;

/** What a newcomer sees in a room. */
export interface Entered {
  room: string;
  messages: Message[];
  people: Person[];
}

/** Who one is. */
export interface Login {
  name: string;
  /** Default: null */
  page?: string | null;
}

/** One message in a room: a text, or the id of a picture. */
export interface Message {
  /** Wider than the contract, which says: whole numbers. */
  id: number;
  room: string;
  author: string;
  /** Wider than the contract, which says: whole numbers. */
  at: number;
  text: string;
  /** Wider than the contract, which says: whole numbers. */
  picture: number | null;
}

/** Somebody in a room. */
export interface Person {
  id: string;
  name: string;
  lost: boolean;
}

/** An uploaded picture; its bytes travel as a binary attachment. */
export interface Picture<Bytes = SentBytes> {
  /** Wider than the contract, which says: whole numbers. */
  id: number;
  type: string;
  data: Bytes;
}

/** An event of the client that was not admitted, and asked for no acknowledgement. */
export interface RefusedEvent {
  error: "validation";
  event: string;
  path: string;
  reason: string;
}

/** A room, as the list of all rooms shows it. */
export interface RoomSummary {
  name: string;
  /** Wider than the contract, which says: whole numbers. */
  people: number;
}

/** How busy the server is: connections now, events since the last second. */
export interface Stats {
  /** Wider than the contract, which says: whole numbers. */
  connections: number;
  /** Wider than the contract, which says: whole numbers. */
  received: number;
  /** Wider than the contract, which says: whole numbers. */
  sent: number;
}

/** The acknowledgement of an event that was refused, or that has failed. */
export interface EventFailure {
  /** A code, such as `validation`. */
  error: string;
  message?: string;
  data?: unknown;
  event?: string;
  /** Of a validation: where, `$` is the argument. */
  path?: string;
  reason?: string;
}

/** What `auth` is for `/`. */
export type Auth = Login;

/** Events that the server sends in `/`. */
export interface ServerToClientEvents {
  /** Something was said in another room. */
  activity: (room: string) => void;
  /** An event was not admitted, and asked for no acknowledgement. */
  error: (refused: RefusedEvent) => void;
  /** Somebody has said or shown something. */
  message: (message: Message, picture: Picture<ReceivedBytes> | null) => void;
  /** Who is in a room. */
  people: (room: string, people: Person[]) => void;
  /** All rooms there are. */
  rooms: (rooms: RoomSummary[]) => void;
  /** Comes each second. */
  stats: (stats: Stats) => void;
  /** Somebody in the room types. */
  typing: (name: string) => void;
}

/** Events that clients send in `/`. */
export interface ClientToServerEvents {
  /** Open a new room for everybody; the answer is its name. */
  create_room: (name: string, ack: (answer: string | EventFailure) => void) => void;
  /**
   * Hand out a picture of the history, which carries only ids.
   * @param number Wider than the contract, which says: whole numbers.
   */
  fetch_picture: (number: number, ack: (answer: Picture<ReceivedBytes> | EventFailure) => void) => void;
  /** Move to another room; the answer is what a newcomer sees there. */
  join: (name: string, ack: (answer: Entered | EventFailure) => void) => void;
  /** Say something to everybody in the room, oneself included. */
  message: (
    ...args:
      | [text: string]
      | [text: string, ack: (failure?: EventFailure) => void]
  ) => void;
  /** Show a picture: the bytes go out to the room as a binary attachment, without base64. */
  picture: (
    ...args:
      | [data: SentBytes]
      | [data: SentBytes, ack: (failure?: EventFailure) => void]
  ) => void;
  /** Tell the others that somebody types; nobody misses it if it gets lost. */
  typing: (
    ...args:
      | []
      | [ack: (failure?: EventFailure) => void]
  ) => void;
}

/**
 * For `emit` without an acknowledgement of an event that answers:
 * `Socket<ServerToClientEvents, ClientToServerEvents> & EmitWithoutAck`.
 */
export interface EmitWithoutAck {
  emit(event: "create_room", name: string): this;
  emit(event: "fetch_picture", number: number): this;
  emit(event: "join", name: string): this;
}
