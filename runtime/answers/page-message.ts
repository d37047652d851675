/** What the thread that goes through the pages of a state is told. */
export interface PageOrder {
  readonly millrace: 'pages';
  readonly statePath: string;
  /** Not 0: it is to end. */
  readonly stop: SharedArrayBuffer;
}

export interface PageReport {
  /** Sentences; empty where the pages fit together. */
  readonly problems: readonly string[];
  readonly took_ms: number;
}

export function isPageOrder(data: unknown): data is PageOrder {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'pages';
}
