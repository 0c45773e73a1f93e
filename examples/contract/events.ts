/**
 * Tea shop 1.0.0: what the server says and hears at /socket.io.
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

/** A pot that is ready. */
export interface Brewed<Bytes = SentBytes> {
  /** Wider than the contract, which says: whole numbers. */
  number: number;
  tea: "assam" | "darjeeling" | "sencha";
  photo: Bytes;
}

/** What one wants. */
export interface Order {
  tea: "assam" | "darjeeling" | "sencha";
  /**
   * Default: 1
   * Wider than the contract, which says: whole numbers, at least 1, at most 12.
   */
  cups?: number;
  /** Default: null */
  note?: string | null;
}

/** An order that the kitchen has. */
export interface Placed {
  /** Wider than the contract, which says: whole numbers. */
  number: number;
  minutes: number;
}

/** An event of the client that was not admitted, and asked for no acknowledgement. */
export interface RefusedEvent {
  error: "validation";
  event: string;
  path: string;
  reason: string;
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

/** Events that the server sends in `/`. */
export interface ServerToClientEvents {
  /** A pot is ready. */
  brewed: (pot: Brewed<ReceivedBytes>) => void;
  /** An event was not admitted, and asked for no acknowledgement. */
  error: (refused: RefusedEvent) => void;
  /**
   * Somebody has said how an order was.
   * @param number Wider than the contract, which says: whole numbers.
   * @param stars Wider than the contract, which says: whole numbers.
   */
  rated: (number: number, stars: number) => void;
}

/** Events that clients send in `/`. */
export interface ClientToServerEvents {
  /** Place an order. */
  place: (order: Order, ack: (answer: Placed | EventFailure) => void) => void;
  /**
   * Say how an order was.
   * @param number Wider than the contract, which says: whole numbers.
   * @param stars Wider than the contract, which says: whole numbers, at least 1, at most 5.
   */
  rate: (
    ...args:
      | [number: number]
      | [number: number, stars: number | null | undefined]
      | [number: number, ack: (failure?: EventFailure) => void]
      | [number: number, stars: number | null | undefined, ack: (failure?: EventFailure) => void]
  ) => void;
}

/**
 * For `emit` without an acknowledgement of an event that answers:
 * `Socket<ServerToClientEvents, ClientToServerEvents> & EmitWithoutAck`.
 */
export interface EmitWithoutAck {
  emit(event: "place", order: Order): this;
}
