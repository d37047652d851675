import {
  compareFunnelEvents,
  evaluateFunnel,
  type FunnelEvent,
  type FunnelResult,
} from '../../operators/index.ts';
import { EntityRows, type EntityShare, type RowTable } from '../entity-rows/index.ts';
import type { EntityPlace } from '../events-query/index.ts';
import { type LogTexts, requireColumn } from '../filters/index.ts';
import { HASH } from '../rows/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import type { FunnelEntity, FunnelQuery } from './funnel-schema.ts';
import { filledBy, rowTests } from './funnel-tests.ts';

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

  constructor(config: FunnelRowsConfig) {
    const { plan, query, share, request, custom, dictionary } = config;
    const isId = (name: string): name is FunnelEntity => name in ENTITY_HASH;
    const held = query.hold_constant.filter((name) => !isId(name));
    const codes = [...query.group_by, ...held].map((name) => requireColumn(name, custom).column);
    const hashes = query.hold_constant.filter(isId).map((name) => ENTITY_HASH[name]);
    this.#config = config;
    this.#heldCodes = held.map((_, at) => query.group_by.length + at);
    this.#heldHashes = hashes.map((_, at) => at);
    this.rows = new EntityRows({
      ...{ entity: ENTITY_HASH[query.entity], share, request, codes, hashes },
      tests: rowTests(plan, custom, dictionary),
    });
  }

  /** Each entity in the funnel, in the order of hashes. */
  visit(take: (result: FunnelResult, place: FunnelPlace) => void, check: () => void): void {
    const { plan, query, watermark_ms } = this.#config;
    const groups = new Texts(this.#config.dictionary);
    const held = new Texts(this.#config.dictionary);
    const groupAt = query.group_by.map((_, at) => at);
    this.rows.visit((table, order, from, to) => {
      const events: FunnelEvent[] = [];
      for (let at = from; at < to; at++) {
        const row = order[at] as number;
        const bits = table.bits[row] as number;
        events.push({
          ...{ time_ms: table.time_ms[row] as number, id: '' },
          steps: filledBy(plan.stepsOf, bits),
          exclusions: filledBy(plan.exclusionsOf, bits),
          hold: this.#heldOf(table, row, held),
          group: groupAt.length === 0 ? '' : groups.of(table, row, groupAt),
        });
      }
      // Events of one time are told apart by what they are, not by their ids.
      const result = evaluateFunnel(events.sort(compareFunnelEvents), plan.rules, watermark_ms);
      if (result !== undefined) take(result, () => placeOf(table, order, from, to));
    }, check);
  }

  #heldOf(table: RowTable, row: number, texts: Texts): string {
    const hashes = this.#heldHashes.map((at) => `${table.hashes[at]?.hi[row]}/${table.hashes[at]?.lo[row]}`);
    return this.#heldCodes.length === 0
      ? hashes.join()
      : hashes.join() + texts.of(table, row, this.#heldCodes);
  }
}

/** The texts of dimensions as JSON, each combination of codes once. */
class Texts {
  readonly #dictionary: LogTexts;
  readonly #texts = new Map<string, string>();

  constructor(dictionary: LogTexts) {
    this.#dictionary = dictionary;
  }

  of(table: RowTable, row: number, columns: readonly number[]): string {
    const codes = columns.map((at) => (table.codes[at] as Int32Array)[row] as number);
    const key = codes.join();
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = JSON.stringify(codes.map((code) => this.#dictionary.textOf(code)));
      this.#texts.set(key, text);
    }
    return text;
  }
}

function placeOf(table: RowTable, order: Uint32Array, from: number, to: number): EntityPlace {
  const first = order[from] as number;
  const events = Array.from(order.subarray(from, Math.min(to, from + MAX_PLACES)), (row) => ({
    sequence: table.sequence[row] as number,
    part: table.part[row] as number,
  }));
  return { hi: table.entity.hi[first] as number, lo: table.entity.lo[first] as number, events };
}
