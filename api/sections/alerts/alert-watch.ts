import { z } from 'zod';
import {
  type AlertEvent,
  type AlertFact,
  type AlertStopped,
  type AnomalyRecord,
  alertNotice,
  foldAlert,
  isAbout,
  OPERATORS,
  readAnomaly,
  recoveryOf,
  scanAnomalies,
} from '../../../analytics/index.ts';
import type { MessageQueue, MetricSample, Work, WorkItem, WorkOutcome } from '../../../engine/index.ts';
import type { Definition, KindDefinitions, Outbound } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import type { AlertBody } from './alert-kind.ts';
import { type AlertLog, type AlertLogEntry, LOG_MAX_NOTICES } from './alert-log.ts';
import { AlertMetrics } from './alert-metrics.ts';

const TABLE = `${OPERATORS.anomalies}/anomalies`;
const DAY_MS = 86_400_000;
/** Anomalies that decide what is told: the newest of so many days, and no more than so many. */
const FACT_DAYS = 14;
const MAX_FACTS = 20_000;
/** What began longer before the newest anomaly is told no more. */
const TOLD_DAYS = 7;
/** That there are more than decide is said once in so long, ms. */
const WARN_MS = 3_600_000;
/** How often it is looked whether what has not lasted for long enough does so now, ms. */
const LOOK_MS = 2_000;
/** Messages of anomalies that a process looks at, at once. */
const HELD_MAX = 64;
const UNFINISHED_MAX = 1_024;
const LEASE_MS = 60_000;
/** An anomaly that the state of this process has not yet is looked for again. */
const STATE_AGAIN_MS = 500;
const STATE_ATTEMPTS_MAX = 120;
const CHANNEL_SEVERITY = { low: 'warning', medium: 'error', high: 'critical' } as const;

export interface AlertWatchParts {
  readonly ports: Pick<ApiPorts, 'reader' | 'clock' | 'log'>;
  readonly alerts: KindDefinitions<AlertBody>;
  readonly outbound: Pick<Outbound, 'notify'>;
  readonly log: AlertLog;
  /** Stream ANOMALIES; undefined: only what is in the state when it is looked at is told. */
  readonly anomalies: Pick<MessageQueue, 'work'> | undefined;
}

const messageSchema = z.looseObject({
  ...{ id: z.string(), revision: z.int(), kind: z.string() },
  type: z.string().optional(),
});

/**
 * Tells what alerts say. Whatever makes it look at a tenant (a message that an anomaly was found or has changed, a
 * change of an alert, time), what is to be told follows from the anomalies in the state and from the log of what was
 * told: so nothing depends on the order of messages, on which process has them, or on crashes between.
 */
export class AlertWatch {
  readonly #parts: AlertWatchParts;
  readonly #waiting = new Set<string>();
  /** What an alert was made from when it was looked at last: the same tells the same. */
  readonly #seen = new Map<string, string>();
  readonly #runs = new Map<string, { readonly running: Promise<void>; next: Promise<void> | undefined }>();
  #work: Work | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unlisten: (() => void) | undefined;
  /** Deleted ones whose end is not told yet. */
  readonly #deleted = new Map<string, Definition<AlertBody>>();
  readonly #warnedAt_ms = new Map<string, number>();
  readonly #metrics: AlertMetrics;

  constructor(parts: AlertWatchParts) {
    this.#parts = parts;
    this.#metrics = new AlertMetrics({ waiting: () => this.#waiting.size, facts_max: MAX_FACTS });
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  start(): void {
    const { alerts, anomalies, ports } = this.#parts;
    for (const tenant of alerts.tenants()) this.#waiting.add(tenant);
    this.#unlisten = alerts.onChange(({ type, definition }) => {
      this.#seen.delete(definition.id);
      if (type === 'delete') this.#deleted.set(definition.id, definition);
      this.#waiting.add(definition.tenant);
    });
    this.#timer = setInterval(() => {
      for (const tenant of [...this.#waiting])
        this.look(tenant).catch((error: unknown) => {
          this.#metrics.failed.add();
          ports.log.warn({ err: error, tenant }, 'alerts cannot be told now');
        });
    }, LOOK_MS).unref();
    const spec = { held_max: HELD_MAX, unfinished_max: UNFINISHED_MAX, lease_ms: LEASE_MS };
    this.#work = anomalies?.work(
      { ...spec, name: 'alerts', subjects: ['anomalies.>'], from_ms: ports.clock.now() },
      (item) => this.#heard(item),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unlisten?.();
    await this.#work?.stop();
    const runs = [...this.#runs.values()].flatMap(({ running, next }) => [running, next]);
    await Promise.allSettled(runs);
  }

  /** Tells what is to be told in a tenant now. Throws what is retriable. */
  look(tenant: string): Promise<void> {
    const run = this.#runs.get(tenant);
    if (run === undefined) return this.#run(tenant);
    // One that waits for its turn sees all that there is by then.
    run.next ??= run.running.catch(() => undefined).then(() => this.#run(tenant));
    return run.next;
  }

  #run(tenant: string): Promise<void> {
    const running = this.#look(tenant).finally(() => {
      if (this.#runs.get(tenant)?.running === running) this.#runs.delete(tenant);
    });
    this.#runs.set(tenant, { running, next: undefined });
    return running;
  }

  async #heard(item: WorkItem): Promise<WorkOutcome> {
    const [, tenant = ''] = item.subject.split('.');
    const message = messageSchema.safeParse(jsonOf(item.data)).data;
    if (message === undefined || message.kind === 'pipeline') return 'done';
    if (message.type === 'anomaly.explained') return 'done';
    if (this.#parts.alerts.list(tenant).length === 0) return 'done';
    const record = this.#find(tenant, message.id);
    const isKnown = record !== undefined && record.revision >= message.revision;
    if (!isKnown && item.attempt < STATE_ATTEMPTS_MAX) return { again_ms: STATE_AGAIN_MS };
    await this.look(tenant);
    return 'done';
  }

  #find(tenant: string, id: string): AnomalyRecord | undefined {
    const state = this.#parts.ports.reader();
    return state?.reader.snapshot((table) => readAnomaly(table(TABLE), tenant, id));
  }

  async #look(tenant: string): Promise<void> {
    const state = this.#parts.ports.reader();
    if (state === undefined) return void this.#waiting.add(tenant);
    const began_ms = performance.now();
    const { facts, horizon_ms, isBounded } = state.reader.snapshot((table) =>
      newest(scanOf(table(TABLE), tenant)),
    );
    if (isBounded) this.#warn(tenant);
    this.#metrics.looked(facts.length, performance.now() - began_ms);
    let isWaiting = false;
    for (const alert of this.#parts.alerts.list(tenant)) {
      if (alert.body.enabled) isWaiting = (await this.#tell(alert, facts, horizon_ms)) || isWaiting;
      else if (this.#seen.get(alert.id) !== `${alert.revision}`) {
        await this.#stop(alert, 'disabled');
        this.#seen.set(alert.id, `${alert.revision}`);
      }
    }
    for (const alert of this.#deleted.values()) {
      if (alert.tenant !== tenant) continue;
      if (this.#parts.alerts.get(tenant, alert.id) === undefined) await this.#stop(alert, 'deleted');
      this.#deleted.delete(alert.id);
    }
    if (isWaiting) this.#waiting.add(tenant);
    else this.#waiting.delete(tenant);
  }

  #warn(tenant: string): void {
    this.#metrics.bounded.add();
    const now_ms = this.#parts.ports.clock.now();
    if (now_ms < (this.#warnedAt_ms.get(tenant) ?? Number.NEGATIVE_INFINITY) + WARN_MS) return;
    this.#warnedAt_ms.set(tenant, now_ms);
    this.#parts.ports.log.warn(
      { tenant, anomalies: MAX_FACTS },
      'alerts are decided from the newest anomalies: there are more of them within 14 days. Raise the sensitivity ' +
        'or min_change_percent of the rules, or group by fewer dimensions',
    );
  }

  /** Tells that what fires of an alert does so no more: a user disabled or deleted it. */
  async #stop(alert: Definition<AlertBody>, reason: AlertStopped): Promise<void> {
    if (!alert.body.notify_recovery) return;
    const log = await this.#parts.log.entries(alert.tenant, alert.id);
    for (const { notice, facts } of this.#firing(alert.tenant, log)) {
      const { id, incident, group } = notice;
      const time_ms = Math.max(Date.parse(notice.time), ...facts.map(({ until_ms }) => until_ms));
      await this.#say(
        alert,
        { id: recoveryOf(id), incident, phase: 'recovered', group, time_ms, facts },
        reason,
      );
    }
  }

  /** Notices of which it was not told that they are over, with their anomalies as far as they are known. */
  #firing(tenant: string, log: readonly AlertLogEntry[]) {
    const told = new Set(log.map(({ notice }) => notice.id));
    return log.flatMap(({ notice }) => {
      if (notice.phase !== 'firing' || told.has(recoveryOf(notice.id))) return [];
      return [{ notice, facts: notice.anomalies.flatMap(({ id }) => this.#find(tenant, id) ?? []) }];
    });
  }

  /** Whether it has to be looked at again although nothing is heard. */
  async #tell(
    alert: Definition<AlertBody>,
    facts: readonly AlertFact[],
    horizon_ms: number,
  ): Promise<boolean> {
    const { tenant, id, revision } = alert;
    const folded = foldAlert(alert, facts);
    const about = facts.filter((fact) => fact.state === 'retracted' || isAbout(alert, fact));
    const seen = JSON.stringify([
      revision,
      about.map((fact) => [fact.id, fact.state, fact.until_ms, fact.severity]),
    ]);
    if (this.#seen.get(id) === seen) return folded.isWaiting;
    const log = await this.#parts.log.entries(tenant, id);
    for (const event of [
      ...newEvents(folded.events, log, horizon_ms),
      ...this.#gone(alert, folded.events, log),
    ])
      await this.#say(alert, event);
    this.#seen.set(id, seen);
    return folded.isWaiting;
  }

  /** Ends of what was told and does not follow any more: late events took its anomalies back, or ended them. */
  #gone(
    { tenant, body }: Definition<AlertBody>,
    events: readonly AlertEvent[],
    log: readonly AlertLogEntry[],
  ) {
    const ids = new Set(events.map(({ id }) => id));
    if (!body.notify_recovery) return [];
    return this.#firing(tenant, log).flatMap(({ notice, facts }): AlertEvent[] => {
      const { id, incident, group } = notice;
      // A state that is behind, or is built anew, does not have them yet: that says nothing of them.
      if (ids.has(id) || facts.length < notice.anomalies.length) return [];
      if (facts.some(({ state }) => state === 'open')) return [];
      const time_ms = Math.max(Date.parse(notice.time), ...facts.map(({ until_ms }) => until_ms));
      return [{ id: recoveryOf(id), incident, phase: 'recovered', group, time_ms, facts }];
    });
  }

  async #say(
    { tenant, id, name, body }: Definition<AlertBody>,
    event: AlertEvent,
    reason?: AlertStopped,
  ): Promise<void> {
    const { outbound, log, ports } = this.#parts;
    const notice = alertNotice({ tenant, id, body }, name, event, reason);
    const isResolved = event.phase === 'recovered';
    await outbound.notify(tenant, `alert.${event.phase}`, notice.id, notice, {
      channels: body.channels,
      message: {
        ...{ title: notice.title, text: notice.text, about: event.incident, isResolved },
        severity: isResolved ? 'info' : CHANNEL_SEVERITY[notice.severity],
        time_ms: event.time_ms,
        details: notice,
      },
    });
    await log.append(tenant, id, { notice, time_ms: event.time_ms, told_at_ms: ports.clock.now() });
    this.#metrics.told(event.phase);
  }
}

const scanOf = (table: Parameters<typeof scanAnomalies>[0], scope: string): Iterable<AnomalyRecord> =>
  scanAnomalies(table, { scope, reverse: true });

/** The newest anomalies that were told to anybody, and the end of the newest one. */
function newest(records: Iterable<AnomalyRecord>) {
  const facts: AlertFact[] = [];
  let isBounded = false;
  let horizon_ms = Number.NEGATIVE_INFINITY;
  for (const record of records) {
    horizon_ms = Math.max(horizon_ms, record.until_ms);
    if (record.start_ms < horizon_ms - FACT_DAYS * DAY_MS) break;
    isBounded = facts.length === MAX_FACTS;
    if (isBounded) break;
    if (!record.late) facts.push(record);
  }
  return { facts, horizon_ms, isBounded };
}

/** Of what follows, what was not told; nothing that the log may have forgotten, and no window twice. */
function newEvents(
  events: readonly AlertEvent[],
  log: readonly AlertLogEntry[],
  horizon_ms: number,
): readonly AlertEvent[] {
  const told = new Set(log.map(({ notice }) => notice.id));
  const first = log.length < LOG_MAX_NOTICES ? Number.NEGATIVE_INFINITY : (log[0]?.time_ms ?? 0);
  const since_ms = Math.max(first, horizon_ms - TOLD_DAYS * DAY_MS);
  const named = new Set(
    log.flatMap(({ notice }) => (notice.phase === 'firing' ? notice.anomalies.map(({ id }) => id) : [])),
  );
  const begun = events.filter(
    ({ id, phase, time_ms, facts }) =>
      phase === 'firing' && !told.has(id) && time_ms > since_ms && !facts.some((fact) => named.has(fact.id)),
  );
  const known = new Set([...told, ...begun.map(({ id }) => id)]);
  return events.filter(
    (event) =>
      begun.includes(event) ||
      (event.phase === 'recovered' && known.has(event.incident) && !told.has(event.id)),
  );
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
