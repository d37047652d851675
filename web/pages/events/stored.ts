/** An event as `GET /events` gives it. Money is in minor units. */
export interface Stored {
  readonly event_id: string;
  readonly type: string;
  readonly time: string;
  readonly order_id?: string | null;
  readonly customer_id?: string | null;
  readonly currency?: string | null;
  readonly dimensions?: Readonly<Record<string, string | null>>;
  readonly amounts?: Readonly<Record<string, number | null>>;
  /** As it came; absent where the stream no longer has it. */
  readonly payload?: Readonly<Record<string, unknown>> | null;
}

export interface EventList {
  readonly events: readonly Stored[];
  readonly next_cursor?: string | null;
}
