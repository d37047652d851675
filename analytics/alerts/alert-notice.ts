import type { FoundView } from '../anomalies/index.ts';
import { formatUtc } from '../query/index.ts';
import type { AlertEvent, AlertFact, NamedAlert } from './alert-fold.ts';

/** Anomalies that a notice names. */
const MAX_NAMED = 20;
const SEVERITIES = ['low', 'medium', 'high'] as const;

/** A notice of an alert, as it is sent, shown and kept. */
export interface AlertNotice {
  readonly id: string;
  readonly incident: string;
  readonly phase: 'firing' | 'recovered';
  readonly alert_id: string;
  readonly alert: string;
  readonly group: AlertEvent['group'];
  readonly time: string;
  readonly severity: (typeof SEVERITIES)[number];
  readonly title: string;
  readonly text: string;
  /** At most 20 of `anomaly_count`. */
  readonly anomalies: readonly { readonly id: string; readonly metric: string; readonly text: string }[];
  readonly anomaly_count: number;
  /** Why it is over, where that is not by what was measured. */
  readonly reason?: AlertStopped;
}

/** What ends an alert that fires: a user did it. */
export type AlertStopped = 'disabled' | 'deleted';

export function alertNotice(
  { id: alert_id }: NamedAlert,
  alert: string,
  event: AlertEvent,
  reason?: AlertStopped,
): AlertNotice {
  const { id, incident, phase, group, facts, time_ms } = event;
  const where = Object.entries(group).map(([name, value]) => `${name} ${value ?? 'none'}`);
  const place = where.length === 0 ? '' : ` (${where.join(', ')})`;
  const worst = Math.max(0, ...facts.map(({ severity }) => SEVERITIES.indexOf(severity)));
  const anomalies = facts.slice(0, MAX_NAMED).map(({ id: of, metric, text }) => ({ id: of, metric, text }));
  return {
    ...{ id, incident, phase, alert_id, alert, group, time: formatUtc(time_ms) },
    severity: SEVERITIES[worst] ?? 'low',
    title: `${phase === 'firing' ? 'Alert' : 'Recovered'}: ${alert}${place}`,
    text: [
      ...(reason === undefined
        ? []
        : [`The alert was ${reason} while it lasted: nothing more is told of it.`]),
      ...anomalies.map(({ text }) => text),
    ].join('\n'),
    ...{ anomalies, anomaly_count: facts.length },
    ...(reason === undefined ? {} : { reason }),
  };
}

/** What a scan found, as alerts take it. */
export function factOf({ start, end, until, change_percent: _, ...view }: FoundView): AlertFact {
  return { ...view, start_ms: Date.parse(start), end_ms: Date.parse(end), until_ms: Date.parse(until) };
}
