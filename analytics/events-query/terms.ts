/** 64 bits of an id's hash, as two signed words. */
export interface IdHash {
  readonly hi: number;
  readonly lo: number;
}

/** How the decoder names what it puts into columns: a query has to name it alike. */
export interface EventTerms {
  /** An event type's name in the log: its normal form, with aliases resolved. */
  typeOf(type: string): string;
  /** Of an order, customer or session id. */
  idHash(tenant: string, id: string): IdHash;
  /** The log's 31 bits of an event id. */
  eventCode(tenant: string, event_id: string): number;
}
