import { defineOperator, type RowBatch, rawTable } from '../../engine/index.ts';
import { DEFAULT_KEPT_LIMITS } from './kept-definition.ts';
import { describeAttempts, describeRecord, logicalKept, logicalKeptAttempts } from './kept-digest.ts';
import { type KeptEventsConfig, KeptTables } from './kept-tables.ts';

function tables({ dictionaryTable, history }: KeptEventsConfig) {
  return {
    attempts: rawTable({
      version: 1,
      describeRow: describeAttempts,
      logicalRows: (attempts, _, table) =>
        logicalKeptAttempts({ attempts, definitions: table('definitions'), history: history(table) }),
    }),
    definitions: rawTable({ version: 1, logicalRows: () => [] }),
    entities: rawTable({
      version: 1,
      describeRow: describeRecord,
      logicalRows: (entities, _, table) =>
        logicalKept({
          ...{ entities, definitions: table('definitions') },
          ...{ dictionary: table(dictionaryTable), history: history(table) },
        }),
    }),
  };
}

/**
 * Keeps, for each definition and each entity, the events that matter to it: as they are now, net of corrections. A
 * definition that comes while it runs is built from the log at barriers, newest day first, while new events are
 * added as they come; one that goes leaves nothing. What is kept is a function of the set of events and the current
 * definitions. Without definitions a batch costs nothing.
 */
export const keptEvents = defineOperator<RowBatch, never, KeptEventsConfig, ReturnType<typeof tables>>({
  kind: 'kept-events',
  summary: 'Of each stored definition and entity the events that matter, kept to be evaluated',
  state: tables,
  start: (context) => {
    const { name, config, metrics, requestBarrier } = context;
    const kept = new KeptTables(context);
    const { pending_max_events } = { ...DEFAULT_KEPT_LIMITS, ...config.limits };
    const gauge = (of: string, help: string, read: () => number): void =>
      metrics.gauge(`millrace.kept_events.${of}`, help, read, { operator: name });
    gauge('definitions', 'Definitions whose events are kept', () => kept.live.length);
    gauge('incomplete', 'Definitions that are being built from the log', () => kept.incomplete);
    gauge('pending', 'Events taken in since the last commit', () => kept.pending);
    gauge('size', 'Size of what is kept', () =>
      kept.live.reduce((sum, { stored_bytes }) => sum + stored_bytes, 0),
    );
    gauge(
      'full',
      'Definitions that have outgrown a limit: scans answer',
      () => kept.live.filter(({ full }) => full !== undefined).length,
    );
    return {
      onBatch: (batches) => {
        kept.begin();
        for (const batch of batches) kept.add(batch);
        if (kept.pending >= pending_max_events) requestBarrier();
      },
      onBarrier: () => {
        kept.settle();
        kept.commit();
        // The rest follows at once, also while no rows come.
        if (kept.incomplete > 0 || kept.isBuilding) requestBarrier();
      },
      definitions: {
        kinds: [config.kind.kind],
        define: (definition) => kept.define(definition),
        forget: (definition) => kept.forget(definition),
      },
    };
  },
});
