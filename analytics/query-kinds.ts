import { type AnyQueryKind, Dictionary, type QueryContext, type QueryKinds } from '../engine/index.ts';
import { type CubeInfo, cubeViews, eventLogView, SlotReader } from '../operators/index.ts';
import { causeKind, scanKind } from './anomalies/index.ts';
import { attributionKind } from './attribution/index.ts';
import { retentionKind } from './cohorts/index.ts';
import { customerModelKind, ltvKind, rfmKind } from './customers/index.ts';
import { hasOlderNames } from './events/index.ts';
import { countTypes, displacedEvents, openEvents, selectEvents } from './events-query/index.ts';
import { funnelEntitiesKind, funnelKind } from './funnels/index.ts';
import { type KeptInfo, keptView } from './kept-events/index.ts';
import {
  cubeSource,
  type KpiSettings,
  type KpiSources,
  kpiBatchKind,
  kpiKind,
  kpiSummaryKind,
} from './kpis/index.ts';
import { OrderBegins } from './ledger/index.ts';
import { type BeginOf, ordersKind, outcomesKind } from './orders/index.ts';
import { logSource } from './query-head/index.ts';
import { restatementsKind } from './restatements/index.ts';
import { fraudKind, refundsKind, returnsKind } from './returns/index.ts';
import { rowSchema } from './rows/index.ts';
import { segmentKind } from './segments/index.ts';
import {
  DICTIONARY_TABLE,
  OPERATORS,
  ORDERS_TABLE,
  RATES_TABLE,
  RETENTION_TABLE,
  readCompleteUntil,
} from './topology.ts';

/** What the kinds of query need to know: plain data, which goes to the scan threads. */
export type AnalyticsSettings = KpiSettings;

/** The module that scan threads load. */
export const QUERY_KINDS_MODULE = import.meta.url;

/** The kinds of query of the order analytics, for one generation of its state in one thread. */
export function orderQueries(settings: AnalyticsSettings) {
  const schema = rowSchema(settings.custom);
  const infos = new SlotReader<CubeInfo>();
  const keptInfos = new SlotReader<KeptInfo>();
  const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
  const open = ({ table, scope }: QueryContext): KpiSources => {
    // Codes are only ever added: it may be ahead of the snapshot.
    dictionary.follow(table(DICTIONARY_TABLE));
    return {
      dictionary,
      ...logSource(eventLogView(table, OPERATORS.log), schema, scope),
      ...cubeSource(cubeViews(table, OPERATORS.cubes), scope, infos),
      rates: table(RATES_TABLE),
      hasOlderNames: () => hasOlderNames(table(RETENTION_TABLE)),
      complete_until_ms: readCompleteUntil(table, scope),
    };
  };
  const openLog = ({ table }: QueryContext) => {
    dictionary.follow(table(DICTIONARY_TABLE));
    return openEvents(eventLogView(table, OPERATORS.log), schema, dictionary);
  };
  return lazily({
    kpis: () => kpiKind(settings, open),
    batch: () => kpiBatchKind(settings, open),
    summary: () => kpiSummaryKind(settings, open),
    events: () => selectEvents(openLog),
    displaced: () => displacedEvents(openLog),
    types: () => countTypes(openLog),
    retention: () => retentionKind(settings, open),
    rfm: () => rfmKind(settings, open),
    ltv: () => ltvKind(settings, open),
    customerModel: () => customerModelKind(settings, open),
    segment: () => segmentKind(settings, open),
    attribution: () => attributionKind(settings, open),
    funnel: () => funnelKind(settings, open, ({ table }) => keptView(table, OPERATORS.funnels, keptInfos)),
    funnelEntities: () => funnelEntitiesKind(settings, open),
    returns: () => returnsKind(settings, open),
    refunds: () => refundsKind(settings, open),
    fraud: () => fraudKind(settings, open),
    outcomes: () => outcomesKind(settings, open),
    orders: () => ordersKind(settings, open, orderBegins()),
    restatements: () => restatementsKind(settings, open),
    causes: () => causeKind(settings, (context) => ({ ...open(context), dictionary })),
    anomalies: () => scanKind(settings, (context) => ({ ...open(context), dictionary })),
  });
}

/** Members that are made when they are first asked for: each builds the schemas of its query. */
function lazily<T extends Readonly<Record<string, () => unknown>>>(
  makers: T,
): { readonly [K in keyof T]: ReturnType<T[K]> } {
  const made: { [K in keyof T]?: ReturnType<T[K]> } = {};
  for (const name of Object.keys(makers)) {
    const get = (): unknown => {
      const value = makers[name]?.();
      Object.defineProperty(made, name, { enumerable: true, value });
      return value;
    };
    Object.defineProperty(made, name, { enumerable: true, configurable: true, get });
  }
  return made as { readonly [K in keyof T]: ReturnType<T[K]> };
}

/** Since when there are events of orders, of one snapshot after the other. */
function orderBegins(): (context: QueryContext) => BeginOf {
  let begins: OrderBegins | undefined;
  return ({ table }) => {
    let isRead = false;
    return (words) => {
      if (!isRead && begins !== undefined) begins.follow(table(ORDERS_TABLE));
      begins ??= new OrderBegins(table(ORDERS_TABLE));
      isRead = true;
      return begins.of(words);
    };
  };
}

export type OrderQueries = ReturnType<typeof orderQueries>;

/** As scan threads ask for them. */
export const queryKinds: QueryKinds = (config) =>
  Object.values(orderQueries(config as AnalyticsSettings)) as unknown as readonly AnyQueryKind[];
