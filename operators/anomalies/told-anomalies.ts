import type { KvTable } from '../../engine/index.ts';
import {
  type AnomalyRecord,
  anomalyId,
  MAX_ANOMALIES_OF_SCOPE,
  pruneAnomalies,
  readAnomaly,
  scanAnomalies,
  writeAnomaly,
} from './anomaly-rows.ts';
import { type Episode, type GroupTexts, groupKey, type WatchedRule } from './watched-rule.ts';

/** What is told of an anomaly. */
export type AnomalyEvent = 'detected' | 'revised' | 'ended' | 'retracted';

/** An anomaly as it follows from the events, before it is compared with what was told. */
export type FoundAnomaly = Omit<AnomalyRecord, 'revision' | 'late' | 'detected_at_ms' | 'updated_at_ms'>;

/** An anomaly of a rule's group. */
export function foundAnomaly(
  rule: WatchedRule,
  texts: GroupTexts,
  episode: Episode,
  isEnded: boolean,
): FoundAnomaly {
  const { grid, scope, id: rule_id, metric, cube } = rule;
  const [start_ms, end_ms] = [grid.startOf(episode.start), grid.startOf(episode.start + 1)];
  const { direction, value, expected, lower, upper, score, severity } = episode;
  const textAt = (at: number): string | null => (texts.values[at] === '' ? null : (texts.values[at] ?? null));
  return {
    id: anomalyId({ scope, rule_id, group: groupKey(texts), start_ms }),
    ...{ kind: 'metric', rule_id, metric, state: isEnded ? 'ended' : 'open' },
    ...{ start_ms, end_ms, until_ms: grid.startOf(episode.last + 1) },
    group: Object.fromEntries(cube.dimensions.map((name, at) => [name, textAt(at)])),
    currency: texts.currency ?? null,
    ...{ direction, value, expected, lower, upper, score, severity },
    text: rule.textOf(texts, episode),
  };
}

/** Windows that closed longer ago than this, or than 48 windows, are corrected without telling anybody, ms. */
const TOLD_MS = 2 * 86_400_000;
const TOLD_WINDOWS = 48;

export type Tell = (event: AnomalyEvent, scope: string, record: AnomalyRecord) => void;

/** What of an anomaly is said anew when it changes. */
const isSaidAnew = (a: AnomalyRecord, b: FoundAnomaly): boolean =>
  a.value !== b.value || a.severity !== b.severity || a.direction !== b.direction;

/** The anomalies of an operator: what is found is compared with what was told, and the difference is told. */
export class ToldAnomalies {
  readonly #table: KvTable;
  readonly #tell: Tell;
  /** Records by scope. */
  readonly #counts = new Map<string, number>();

  constructor(table: KvTable, tell: Tell) {
    this.#table = table;
    this.#tell = tell;
  }

  /** Of the range of first windows. */
  between(scope: string, start_ms: number, end_ms: number): readonly AnomalyRecord[] {
    return [...scanAnomalies(this.#table, { scope, start_ms, end_ms })];
  }

  get(scope: string, id: string): AnomalyRecord | undefined {
    return readAnomaly(this.#table, scope, id);
  }

  /** Inside a commit. `closed_ms`: the end of the newest window that is closed. */
  settle(scope: string, found: FoundAnomaly, closed_ms: number, now_ms: number): void {
    const before = this.get(scope, found.id);
    const width_ms = found.end_ms - found.start_ms;
    const isOld = closed_ms - found.until_ms > Math.max(TOLD_MS, TOLD_WINDOWS * width_ms);
    if (before === undefined) {
      if (found.state === 'retracted') return;
      const times = { detected_at_ms: now_ms, updated_at_ms: now_ms };
      this.#write(scope, { ...found, revision: 1, late: isOld, ...times });
      this.#say(isOld, 'detected', scope, found.id);
      return;
    }
    if (isSame(before, found)) return;
    const event = eventOf(before, found);
    const { late, detected_at_ms, revision } = before;
    const times = { late, detected_at_ms, updated_at_ms: now_ms };
    this.#write(scope, { ...found, ...times, revision: event === undefined ? revision : revision + 1 });
    if (event !== undefined) this.#say(isOld, event, scope, found.id);
  }

  /** Inside a commit: it is none, by what is known now. */
  retract(scope: string, record: AnomalyRecord, closed_ms: number, now_ms: number): void {
    if (record.state === 'retracted') return;
    this.settle(scope, { ...record, state: 'retracted' }, closed_ms, now_ms);
  }

  #say(isOld: boolean, event: AnomalyEvent, scope: string, id: string): void {
    const record = this.get(scope, id);
    if (record !== undefined && !isOld) this.#tell(event, scope, record);
  }

  #write(scope: string, record: AnomalyRecord): void {
    const isNew = this.get(scope, record.id) === undefined;
    writeAnomaly(this.#table, scope, record);
    if (!isNew) return;
    const count = this.#counts.get(scope) ?? this.#count(scope);
    const excess = Math.max(0, count + 1 - MAX_ANOMALIES_OF_SCOPE);
    if (excess > 0) pruneAnomalies(this.#table, scope, excess);
    this.#counts.set(scope, count + 1 - excess);
  }

  #count(scope: string): number {
    let count = -1;
    for (const _ of scanAnomalies(this.#table, { scope })) count++;
    return count;
  }
}

function isSame(before: AnomalyRecord, found: FoundAnomaly): boolean {
  const { revision: _, late: __, detected_at_ms: ___, updated_at_ms: ____, ...rest } = before;
  return JSON.stringify(rest) === JSON.stringify({ ...rest, ...found });
}

function eventOf(before: AnomalyRecord, found: FoundAnomaly): AnomalyEvent | undefined {
  if (found.state === 'retracted') return 'retracted';
  if (before.state === 'retracted' || isSaidAnew(before, found)) return 'revised';
  if (before.state === 'open' && found.state === 'ended') return 'ended';
  return before.state === 'ended' && found.state === 'open' ? 'revised' : undefined;
}
