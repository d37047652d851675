/** An event as it goes into the stream. */
export interface DoorMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type DoorCheck =
  | { readonly ok: true; readonly event_id: string; readonly type: string; readonly message: DoorMessage }
  | { readonly ok: false; readonly event_id: string | null; readonly code: string; readonly detail: string };

/** The way of events into the stream, with the checks of `POST /ingest`. */
export interface EventDoor {
  /** Checks events of a tenant, JSON each, in order. */
  check(tenant: string, events: readonly Uint8Array[]): Promise<readonly DoorCheck[]>;
  /** Resolves when the stream has stored all of them; a repeat is harmless. Throws a retriable MillraceError else. */
  publish(messages: readonly DoorMessage[]): Promise<unknown>;
}
