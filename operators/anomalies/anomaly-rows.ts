import { createHash } from 'node:crypto';
import { ByteWriter, type KvTable, type KvView, prefixEnd } from '../../engine/index.ts';
import type { Direction, Severity } from './watched-rule.ts';

/** How an anomaly stands, by the events: what users say of it is kept elsewhere. */
export type AnomalyState = 'open' | 'ended' | 'retracted';

/** An anomaly as the state keeps it. Plain data; times in ms. */
export interface AnomalyRecord {
  readonly id: string;
  /** Grows when it is said anew. */
  readonly revision: number;
  readonly kind: 'metric' | 'silence';
  readonly rule_id: string;
  readonly metric: string;
  readonly state: AnomalyState;
  /** The first window. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** End of the last window that is not normal. */
  readonly until_ms: number;
  /** By dimension; null is none. */
  readonly group: Readonly<Record<string, string | null>>;
  readonly currency: string | null;
  readonly direction: Direction;
  /** Of the first window. */
  readonly value: number;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  readonly score: number;
  readonly severity: Severity;
  readonly text: string;
  /** Its window had been closed for long when it came out: nobody was told. */
  readonly late: boolean;
  /** Of the barrier at which it was first found, and last said anew: of the clock. */
  readonly detected_at_ms: number;
  readonly updated_at_ms: number;
}

/** Anomalies of a scope that are kept: beyond, the oldest go. */
export const MAX_ANOMALIES_OF_SCOPE = 100_000;

const ID = /^anomaly_([0-9a-z]{1,11})_[0-9a-f]{20}$/;

/** The id of an anomaly: a function of what it is of, and of its first window. */
export function anomalyId(of: {
  readonly scope: string;
  readonly rule_id: string;
  readonly group: string;
  readonly start_ms: number;
}): string {
  const { scope, rule_id, group, start_ms } = of;
  const hash = createHash('sha256')
    .update(JSON.stringify([scope, rule_id, group, start_ms]))
    .digest('hex');
  return `anomaly_${start_ms.toString(36)}_${hash.slice(0, 20)}`;
}

function keyOf(scope: string, start_ms: number, id: string): Uint8Array {
  return new ByteWriter().orderedString(scope).u48(start_ms).string(id).copy();
}

const parse = (value: Uint8Array): AnomalyRecord =>
  JSON.parse(Buffer.from(value).toString()) as AnomalyRecord;

/** The anomaly of an id; undefined where there is none. `anomalies` is the operator's table. */
export function readAnomaly(anomalies: KvView, scope: string, id: string): AnomalyRecord | undefined {
  const start = ID.exec(id)?.[1];
  if (start === undefined) return undefined;
  const start_ms = Number.parseInt(start, 36);
  if (!Number.isSafeInteger(start_ms) || start_ms >= 2 ** 48) return undefined;
  const value = anomalies.get(keyOf(scope, start_ms, id));
  return value === undefined ? undefined : parse(value);
}

export interface AnomalyRange {
  readonly scope: string;
  /** Of the first window's start, half-open. */
  readonly start_ms?: number;
  readonly end_ms?: number;
  /** Newest first. */
  readonly reverse?: boolean;
}

/** Anomalies of a scope by the start of their first windows. */
export function* scanAnomalies(anomalies: KvView, range: AnomalyRange): Iterable<AnomalyRecord> {
  const { scope, start_ms, end_ms, reverse = false } = range;
  const prefix = new ByteWriter().orderedString(scope).copy();
  const at = (time_ms: number): Uint8Array =>
    new ByteWriter()
      .bytes(prefix)
      .u48(Math.min(Math.max(0, time_ms), 2 ** 48 - 1))
      .copy();
  const end = end_ms === undefined ? prefixEnd(prefix) : at(end_ms);
  const start = start_ms === undefined ? prefix : at(start_ms);
  for (const { value } of anomalies.scan({ start, ...(end === undefined ? {} : { end }), reverse }))
    yield parse(value);
}

/** Inside a commit. */
export function writeAnomaly(anomalies: KvTable, scope: string, record: AnomalyRecord): void {
  anomalies.put(keyOf(scope, record.start_ms, record.id), Buffer.from(JSON.stringify(record)));
}

/** Inside a commit: removes the oldest of a scope beyond the limit. */
export function pruneAnomalies(anomalies: KvTable, scope: string, count: number): void {
  const prefix = new ByteWriter().orderedString(scope).copy();
  const end = prefixEnd(prefix);
  const range = { start: prefix, ...(end === undefined ? {} : { end }), limit: count };
  const keys = Array.from(anomalies.scan(range), ({ key }) => Uint8Array.from(key));
  for (const key of keys) anomalies.remove(key);
}
