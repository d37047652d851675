import { createHash } from 'node:crypto';
import { CALM_WINDOWS } from '../../operators/index.ts';
import { ALERT_KIND, type AnomalyRecord } from '../anomalies/index.ts';
import type { AlertRules } from './alert-schema.ts';

/** What alerts need to know of an anomaly, found live or by a scan. */
export type AlertFact = Omit<AnomalyRecord, 'revision' | 'late' | 'detected_at_ms' | 'updated_at_ms'>;

/** An alert of a tenant. */
export interface NamedAlert {
  readonly tenant: string;
  readonly id: string;
  readonly body: AlertRules;
}

/** Something that is told of an alert. Plain data; times of events, in ms. */
export interface AlertEvent {
  /** A function of tenant, alert, group, time and phase. */
  readonly id: string;
  /** Of the notice that it began with: its own for the first. */
  readonly incident: string;
  readonly phase: 'firing' | 'recovered';
  readonly group: Readonly<Record<string, string | null>>;
  readonly time_ms: number;
  /** Anomalies that it is about, as they are known. */
  readonly facts: readonly AlertFact[];
}

/** What follows from anomalies for an alert. */
export interface AlertFolded {
  /** By their times. */
  readonly events: readonly AlertEvent[];
  /** Something may come of them although no further anomaly is found: one has not lasted for long enough yet. */
  readonly isWaiting: boolean;
}

const RANK = { low: 0, medium: 1, high: 2 } as const;
/** Share of a window by which a day may be shorter than others. */
const SHORT_DAY = 0.5;

/** Whether an anomaly is one that the alert is about. */
export function isAbout({ id, body }: NamedAlert, fact: AlertFact): boolean {
  const { condition } = body;
  if (fact.state === 'retracted' || !(fact.end_ms > Date.parse(body.since ?? ''))) return false;
  if (!('anomaly' in condition)) return fact.rule_id === id;
  const { rule_id, metric, direction, min_severity } = condition.anomaly;
  if (fact.kind === 'silence' && metric !== fact.metric) return false;
  if (fact.rule_id.startsWith(`${ALERT_KIND}_`)) return false;
  return (
    (rule_id ?? fact.rule_id) === fact.rule_id &&
    (metric ?? fact.metric) === fact.metric &&
    (direction ?? fact.direction) === fact.direction &&
    RANK[fact.severity] >= RANK[min_severity]
  );
}

/**
 * What an alert tells of anomalies. A pure function of the alert and of the set of anomalies, in the times of events:
 * so a live run, which calls it with what is known as windows close, tells what a preview says.
 */
export function foldAlert(alert: NamedAlert, facts: readonly AlertFact[]): AlertFolded {
  const groups = new Map<string, AlertFact[]>();
  for (const fact of facts) {
    if (!isAbout(alert, fact)) continue;
    const key = JSON.stringify(Object.entries(groupOf(alert.body, fact)));
    const list = groups.get(key);
    if (list === undefined) groups.set(key, [fact]);
    else list.push(fact);
  }
  const folded = [...groups].map(([key, list]) => foldGroup(alert, key, list));
  const events = folded.flatMap((each) => each.events);
  events.sort((a, b) => a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1));
  return { events, isWaiting: folded.some(({ isWaiting }) => isWaiting) };
}

/** The group that a notice is of. */
function groupOf({ group_by }: AlertRules, { group, currency }: AlertFact): AlertEvent['group'] {
  if (group_by === undefined) return currency === null ? group : { ...group, currency };
  return Object.fromEntries(group_by.map((name) => [name, group[name] ?? null]));
}

interface Incident {
  readonly id: string;
  readonly time_ms: number;
  readonly facts: AlertFact[];
  over_ms: number;
}

function foldGroup(alert: NamedAlert, key: string, list: readonly AlertFact[]): AlertFolded {
  const { body } = alert;
  const events: AlertEvent[] = [];
  const group = Object.fromEntries(JSON.parse(key) as [string, string | null][]);
  let incident: Incident | undefined;
  let isWaiting = false;
  const close = ({ id, over_ms, facts }: Incident): void => {
    if (!body.notify_recovery || !Number.isFinite(over_ms)) return;
    const recovered = { incident: id, phase: 'recovered' as const, group, time_ms: over_ms, facts };
    events.push({ ...recovered, id: recoveryOf(id) });
  };
  for (const fact of [...list].sort((a, b) => dueOf(body, a) - dueOf(body, b) || (a.id < b.id ? -1 : 1))) {
    const due_ms = dueOf(body, fact);
    const over_ms = overOf(body, fact);
    if (!hasLasted(fact, due_ms)) {
      isWaiting ||= fact.state === 'open';
      continue;
    }
    if (incident !== undefined && due_ms < incident.over_ms) {
      incident.facts.push(fact);
      incident.over_ms = Math.max(incident.over_ms, over_ms);
      continue;
    }
    const cool_ms: number =
      incident === undefined ? due_ms : incident.time_ms + body.cooldown_seconds * 1_000;
    const time_ms = behindSilence(body, fact, Math.max(due_ms, cool_ms));
    if (!hasLasted(fact, time_ms)) {
      isWaiting ||= fact.state === 'open';
      continue;
    }
    if (incident !== undefined) close(incident);
    const id = idOf(alert, key, time_ms);
    incident = { id, time_ms, facts: [fact], over_ms };
    events.push({ id, incident: id, phase: 'firing', group, time_ms, facts: incident.facts });
  }
  if (incident !== undefined) close(incident);
  return { events: events.map((event) => asKnown(body, event)), isWaiting };
}

/** What begins is told with what is known then. */
const asKnown = (body: AlertRules, event: AlertEvent): AlertEvent =>
  event.phase === 'recovered'
    ? event
    : { ...event, facts: event.facts.filter((fact) => dueOf(body, fact) <= event.time_ms) };

const widthOf = ({ start_ms, end_ms }: AlertFact): number => end_ms - start_ms;

/** When it has lasted for as many windows as the alert wants. */
const dueOf = ({ for_windows }: AlertRules, fact: AlertFact): number =>
  fact.end_ms + (for_windows - 1) * widthOf(fact);

/** Whether its last window that is not normal ends at or after a time. */
const hasLasted = (fact: AlertFact, time_ms: number): boolean =>
  fact.until_ms + (time_ms > fact.end_ms ? SHORT_DAY * widthOf(fact) : 0) >= time_ms;

/** When it is known to be over: with the normal windows behind it. */
function overOf({ condition }: AlertRules, fact: AlertFact): number {
  if (fact.state === 'open') return Number.POSITIVE_INFINITY;
  const calm = 'threshold' in condition ? 0 : CALM_WINDOWS;
  return fact.until_ms + (calm + 1) * widthOf(fact);
}

/** The first time from one on in which the group is not silenced. */
function behindSilence({ silence }: AlertRules, { group }: AlertFact, from_ms: number): number {
  const own = silence.filter((each) =>
    Object.entries(each.group ?? {}).every(([name, value]) => group[name] === value),
  );
  let time_ms = from_ms;
  for (let moved = true; moved; ) {
    const held = own.find(
      ({ from, until }) => (from === undefined || Date.parse(from) <= time_ms) && time_ms < Date.parse(until),
    );
    moved = held !== undefined;
    if (held !== undefined) time_ms = Date.parse(held.until);
  }
  return time_ms;
}

function idOf({ tenant, id }: NamedAlert, group: string, time_ms: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([tenant, id, group, time_ms]))
    .digest('hex');
  return `notice_${time_ms.toString(36)}_${hash.slice(0, 20)}`;
}

/** The id of the notice that an incident is over. */
export const recoveryOf = (incident: string): string => `${incident}_over`;
