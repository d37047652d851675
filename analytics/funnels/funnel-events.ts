import type { EntityShare } from '../../engine/index.ts';
import {
  compareFunnelEvents,
  evaluateFunnel,
  type FunnelEvent,
  type FunnelResult,
  resultOf,
} from '../../operators/index.ts';
import { EntityRows, type RowTable } from '../entity-rows/index.ts';
import type { EntityPlace } from '../events-query/index.ts';
import { type LogTexts, requireColumn } from '../filters/index.ts';
import { HASH } from '../rows/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import type { FunnelEntity, FunnelQuery } from './funnel-schema.ts';
import { filledBy, rowTests } from './funnel-tests.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

/** Hash columns of the properties that are ids. */
export const ENTITY_HASH: Readonly<Record<FunnelEntity, number>> = {
  customer_id: HASH.customer,
  session_id: HASH.session,
  order_id: HASH.order,
};
/** Of an entity: events that may say its id. */
const MAX_PLACES = 8;

/** What an entity is known by. */
export type FunnelPlace = () => EntityPlace;

interface FunnelRowsConfig {
  readonly plan: FunnelPlan;
  readonly query: Pick<FunnelQuery, 'entity' | 'group_by' | 'hold_constant'>;
  readonly share: EntityShare;
  readonly request: { readonly start_ms: number; readonly end_ms: number; readonly upTo?: number };
  readonly custom: readonly string[];
  readonly dictionary: LogTexts;
  readonly watermark_ms: number;
}

/** Collects rows of entities, and tells where each entity stands: for every funnel, whatever it asks of events. */
export class FunnelRows {
  readonly rows: EntityRows;
  readonly #config: FunnelRowsConfig;
  /** Places of the held dimensions and ids among the carried columns. */
  readonly #heldCodes: readonly number[];
  readonly #heldHashes: readonly number[];
  readonly #groupAt: readonly number[];
  readonly #groups: Texts;
  readonly #held: Texts;
  readonly #attempts: OrderedAttempts;

  constructor(config: FunnelRowsConfig) {
    const { plan, query, share, request, custom, dictionary } = config;
    const isId = (name: string): name is FunnelEntity => name in ENTITY_HASH;
    const held = query.hold_constant.filter((name) => !isId(name));
    const codes = [...query.group_by, ...held].map((name) => requireColumn(name, custom).column);
    const hashes = query.hold_constant.filter(isId).map((name) => ENTITY_HASH[name]);
    this.#config = config;
    this.#heldCodes = held.map((_, at) => query.group_by.length + at);
    this.#heldHashes = hashes.map((_, at) => at);
    this.#groupAt = query.group_by.map((_, at) => at);
    this.#groups = new Texts(dictionary);
    this.#held = new Texts(dictionary);
    this.#attempts = new OrderedAttempts(plan.rules);
    this.rows = new EntityRows({
      ...{ entity: ENTITY_HASH[query.entity], share, request, codes, hashes },
      tests: rowTests(plan, custom, dictionary),
    });
  }

  /** Each entity in the funnel, in the order of hashes. */
  visit(take: (result: FunnelResult, place: FunnelPlace) => void, check: () => void): void {
    this.rows.visit((table, order, from, to) => {
      const result = this.#ordered(table, order, from, to) ?? this.#general(table, order, from, to);
      if (result !== 'none') take(result, () => placeOf(table, order, from, to));
    }, check);
  }

  /** undefined: the events are not of the form that `OrderedAttempts` is for. */
  #ordered(table: RowTable, order: Uint32Array, from: number, to: number): FunnelResult | 'none' | undefined {
    const { plan, query, watermark_ms } = this.#config;
    if (!OrderedAttempts.takes(plan.rules, query.hold_constant)) return undefined;
    const attempts = this.#attempts;
    attempts.makeRoom(to - from);
    const { times_ms, steps, picks } = attempts;
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      const time_ms = table.time_ms[row] as number;
      if (at > from && times_ms[at - from - 1] === time_ms) return undefined;
      times_ms[at - from] = time_ms;
      steps[at - from] = filledBy(plan.stepsOf, table.bits[row] as number);
    }
    const reached = attempts.find(to - from);
    if (reached === 0) return 'none';
    const reached_ms: number[] = [];
    for (let step = 0; step < reached; step++) reached_ms.push(times_ms[picks[step] as number] as number);
    const { attribution } = plan.rules;
    const step = attribution === 'first_step' ? 1 : attribution === 'last_step' ? reached : attribution;
    const isGrouped = step !== undefined && step <= reached;
    const row = isGrouped ? (order[from + (picks[step - 1] as number)] as number) : 0;
    const group = isGrouped ? { group: this.#groups.of(table, row, this.#groupAt) } : {};
    return resultOf({ times_ms: reached_ms, ...group }, plan.rules, watermark_ms);
  }

  #general(table: RowTable, order: Uint32Array, from: number, to: number): FunnelResult | 'none' {
    const { plan, watermark_ms } = this.#config;
    const events: FunnelEvent[] = [];
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      const bits = table.bits[row] as number;
      events.push({
        time_ms: table.time_ms[row] as number,
        id: '',
        steps: filledBy(plan.stepsOf, bits),
        exclusions: filledBy(plan.exclusionsOf, bits),
        hold: this.#heldOf(table, row),
        group: this.#groupAt.length === 0 ? '' : this.#groups.of(table, row, this.#groupAt),
      });
    }
    // Events of one time are told apart by what they are, not by their ids.
    return evaluateFunnel(events.sort(compareFunnelEvents), plan.rules, watermark_ms) ?? 'none';
  }

  #heldOf(table: RowTable, row: number): string {
    let held = this.#heldCodes.length === 0 ? '' : this.#held.of(table, row, this.#heldCodes);
    for (const at of this.#heldHashes) held += `/${table.hashes[at]?.hi[row]}/${table.hashes[at]?.lo[row]}`;
    return held;
  }
}

/** The texts of dimensions as JSON, each combination of codes once. */
class Texts {
  readonly #dictionary: LogTexts;
  readonly #texts = new Map<string | number, string>();

  constructor(dictionary: LogTexts) {
    this.#dictionary = dictionary;
  }

  of(table: RowTable, row: number, columns: readonly number[]): string {
    const codeAt = (at: number): number => (table.codes[at] as Int32Array)[row] as number;
    // One column is the commonest, and a number is found faster than a text.
    const key = columns.length === 1 ? codeAt(columns[0] as number) : columns.map(codeAt).join();
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = JSON.stringify(columns.map((at) => this.#dictionary.textOf(codeAt(at))));
      this.#texts.set(key, text);
    }
    return text;
  }
}

function placeOf(table: RowTable, order: Uint32Array, from: number, to: number): EntityPlace {
  const first = order[from] as number;
  const rows = order.subarray(from, Math.min(to, from + MAX_PLACES));
  const events = Array.from(rows, (row) => table.placesOf(row)).flat();
  return { hi: table.entity.hi[first] as number, lo: table.entity.lo[first] as number, events };
}
