import { ByteReader, ByteWriter, defineKind, type QueryContext, type QueryKind } from '../../engine/index.ts';
import {
  EntityRows,
  type EntityWork,
  entityParts,
  readPlaces,
  scanFacts,
  writePlaces,
} from '../entity-rows/index.ts';
import type { EntityPlace } from '../events-query/index.ts';
import { oneCurrency, type RatesByCurrency, RowMoney, readDayRates } from '../exchange/index.ts';
import { QueryError } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  keptFrom,
  type OpenFamily,
  prepareHead,
  provenanceOf,
  type QuerySettings,
} from '../query-head/index.ts';
import { HASH } from '../rows/index.ts';
import { compileRule, namingPlaces, RULE_COLUMNS } from './segment-evaluate.ts';
import { type SegmentQuery, segmentMembersOf } from './segment-schema.ts';

export const SEGMENT_KIND = 'customers.segment';
/** Customers of one segment: some 40 MB while it is being made, 16 MB as a filter. */
export const SEGMENT_MAX_CUSTOMERS = 2_000_000;
/** Above it, sorting does not belong into the API's thread. */
const FINISH_IN_API_MAX_BYTES = 256 * 1024;

/** What the parts of a plan share. Plain data. */
export interface SegmentShared extends FamilyShared<SegmentQuery> {
  readonly query_id: string;
  readonly end_ms: number;
  readonly rates: RatesByCurrency;
  readonly warnings: readonly string[];
}

/** The customers that a rule takes, at the end of the query. */
export function segmentKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<SegmentQuery, SegmentShared, EntityWork, FamilyAnswer> {
  return defineKind<SegmentQuery, SegmentShared, EntityWork, FamilyAnswer>({
    name: SEGMENT_KIND,
    schema: segmentMembersOf(settings.custom),
    plan: (context, query) => {
      const sources = open(context);
      const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
      const until = upTo === undefined ? {} : { upTo };
      const plan = sources.planScan({ scope: context.scope, ...range, ...until });
      const parts = entityParts(plan);
      const money = new RowMoney(undefined, {}, sources.dictionary);
      const { types } = compileRule(query.rule, range.end_ms, sources.dictionary, settings.custom, money);
      const cut_ms = sources.cut_ms();
      const { start_ms, end_ms } = range;
      const { scope } = context;
      const rates = readDayRates(sources.rates, scope, query.currency, start_ms, end_ms, upTo);
      return {
        ...{ kind: SEGMENT_KIND, ...scanFacts(plan, parts) },
        explain: {
          ...{ source: 'scan', entity: 'customer_id', rule: query.rule, parts: parts.length },
          segments: plan.segments,
          ...provenanceOf(query, position, { ...range, types }),
        },
        narrow: ['ask for a shorter range (start, end)'],
        shared: {
          ...{ query, header, query_id, end_ms: range.end_ms, rates },
          warnings:
            cut_ms === undefined || cut_ms <= range.start_ms
              ? []
              : [keptFrom(cut_ms, 'the rule sees what came since.')],
        },
      };
    },
    partial: (context, { shared }, { plan, share }, cancel) => {
      const { query, end_ms, rates } = shared;
      const sources = open(context);
      const money = new RowMoney(query.currency, rates, sources.dictionary);
      const compiled = compileRule(query.rule, end_ms, sources.dictionary, settings.custom, money);
      const { request } = plan;
      const { tests, matches } = compiled;
      const rows = new EntityRows({ entity: HASH.customer, share, tests, request, ...RULE_COLUMNS });
      sources.scan(plan, (chunk) => {
        cancel.check();
        rows.add(chunk);
      });
      const writer = new ByteWriter();
      let count = 0;
      rows.visit(
        (table, order, from, to) => {
          if (!matches(table, order, from, to)) return;
          if (++count > SEGMENT_MAX_CUSTOMERS) throw tooLarge();
          const row = order[to - 1] as number;
          const { entity } = table;
          writer.u32((entity.hi[row] as number) >>> 0).u32((entity.lo[row] as number) >>> 0);
          writePlaces(writer, query.as_members === true ? [] : namingPlaces(table, order, from, to));
        },
        () => cancel.check(),
      );
      const found = writer.copy();
      const { currency } = money;
      return new ByteWriter()
        .string(currency ?? '\0')
        .varint(count)
        .bytes(found)
        .copy();
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finishesInThread: (_plan, bytes) => bytes > FINISH_IN_API_MAX_BYTES,
    finish: (_context: QueryContext, { shared, explain, source }, bytes) => {
      const { query, header, query_id, warnings } = shared;
      const { customers, currencies } = readCustomers(bytes);
      const currency = query.currency ?? oneCurrency(currencies);
      const facts = { ...(currency === undefined ? {} : { currency }), customers_total: customers.length };
      const body = query.as_members
        ? { ...facts, hashes: hashesOf(customers) }
        : { ...facts, end: header.resolved_range.end, customers: pageOf(customers, query) };
      return { query_id, header, source, body, warnings, ...(query.explain === true ? { explain } : {}) };
    },
  });
}

/** In the order of their hashes. */
function pageOf(customers: readonly EntityPlace[], { offset, limit }: SegmentQuery): readonly object[] {
  return customers
    .toSorted((a, b) => (a.hi >>> 0) - (b.hi >>> 0) || (a.lo >>> 0) - (b.lo >>> 0))
    .slice(offset, offset + limit)
    .map((customer) => ({ customer }));
}

/** Ascending, as `SegmentMembers` has them. */
function hashesOf(customers: readonly EntityPlace[]): SharedArrayBuffer {
  const words = new Uint32Array(customers.length * 2);
  for (const [at, { hi, lo }] of customers.entries()) {
    words[2 * at] = lo >>> 0;
    words[2 * at + 1] = hi >>> 0;
  }
  // Little-endian machines have the words of a 64-bit number in this order.
  new BigUint64Array(words.buffer).sort();
  const shared = new SharedArrayBuffer(words.byteLength);
  new Uint32Array(shared).set(words);
  return shared;
}

function readCustomers(bytes: Uint8Array | undefined): {
  readonly customers: readonly EntityPlace[];
  readonly currencies: readonly (string | undefined)[];
} {
  const customers: EntityPlace[] = [];
  const currencies: (string | undefined)[] = [];
  if (bytes === undefined) return { customers, currencies };
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const currency = reader.string();
    currencies.push(currency === '\0' ? undefined : currency);
    for (let left = reader.varint(); left > 0; left--) {
      const [hi, lo] = [reader.u32() | 0, reader.u32() | 0];
      customers.push({ hi, lo, events: readPlaces(reader) });
    }
    if (customers.length > SEGMENT_MAX_CUSTOMERS) throw tooLarge();
  }
  return { customers, currencies };
}

function tooLarge(): QueryError {
  const message = `More than ${SEGMENT_MAX_CUSTOMERS} customers are in the segment. Make its rule narrower.`;
  return new QueryError('segment_too_large', message, [{ path: 'rule', message }]);
}
