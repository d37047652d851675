import type { RawCall } from '../../http/index.ts';
import type { Asking } from '../asking/index.ts';
import type { Span } from './span.ts';

/** A request for a report. */
export interface Asked {
  readonly asking: Asking;
  readonly call: RawCall;
  readonly span: Span;
}

/** An answer, and the list of it that a file shows. */
export interface Report {
  readonly json: Readonly<Record<string, unknown>>;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export const lower = (currency: string | null): string | null => currency?.toLowerCase() ?? null;
