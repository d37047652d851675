import type { AnomalyEvent, AnomalyRecord, FoundAnomaly, WatchedRule } from '../../operators/index.ts';
import { formatUtc } from '../query/index.ts';

/** An anomaly as it is sent to subscribers, and shown by the API. Plain data. */
export interface AnomalyView {
  readonly id: string;
  readonly revision: number;
  readonly kind: 'metric' | 'silence';
  readonly rule_id: string;
  readonly metric: string;
  readonly state: 'open' | 'ended' | 'retracted';
  readonly start: string;
  readonly end: string;
  readonly until: string;
  readonly group: Readonly<Record<string, string | null>>;
  readonly currency: string | null;
  readonly direction: 'low' | 'high';
  readonly value: number;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  readonly change_percent: number | null;
  readonly score: number;
  readonly severity: 'low' | 'medium' | 'high';
  readonly text: string;
  readonly late: boolean;
  readonly detected_at: string;
  readonly updated_at: string;
}

/** What a scan finds: what only a live rule knows is not there. */
export type FoundView = Omit<AnomalyView, 'revision' | 'late' | 'detected_at' | 'updated_at'>;

export function foundView(found: FoundAnomaly): FoundView {
  const { start_ms, end_ms, until_ms, ...rest } = found;
  const { value, expected } = found;
  const change = expected === 0 ? null : ((value - expected) / Math.abs(expected)) * 100;
  return {
    ...rest,
    start: formatUtc(start_ms),
    end: formatUtc(end_ms),
    until: formatUtc(until_ms),
    change_percent: change === null ? null : Number(change.toFixed(1)),
  };
}

export function anomalyView({
  revision,
  late,
  detected_at_ms,
  updated_at_ms,
  ...found
}: AnomalyRecord): AnomalyView {
  const times = { detected_at: formatUtc(detected_at_ms), updated_at: formatUtc(updated_at_ms) };
  return { ...foundView(found), revision, late, ...times };
}

/** A token of a subject: what NATS gives a meaning, and blanks, are percent-encoded. */
function subjectToken(text: string): string {
  const token = encodeURIComponent(text).replace(
    /[.*>!'()~]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return token === '' ? '_' : token;
}

/** `anomalies.<tenant>.<metric>.<severity>`; a tenant is a token of its events' subjects already. */
export const anomalySubject = (tenant: string, metric: string, severity: string): string =>
  `anomalies.${tenant}.${subjectToken(metric)}.${severity}`;

/** What subscribers get. */
export function anomalyMessage(
  event: AnomalyEvent,
  tenant: string,
  record: AnomalyRecord,
  rule: WatchedRule | undefined,
): { readonly subject: string; readonly payload: Uint8Array } {
  const message = { type: `anomaly.${event}`, tenant, ...anomalyView(record), ...rule?.shown };
  return {
    subject: anomalySubject(tenant, record.metric, record.severity),
    payload: Buffer.from(JSON.stringify(message)),
  };
}
