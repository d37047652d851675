import { readFileSync } from 'node:fs';
import { orderQueries } from '../analytics/index.ts';
import { KindRegistry, openLmdbReader, QueryExecutor, type QueryKind, systemClock } from '../engine/index.ts';
import { periodsKind, queryKinds, SCAN_KINDS_MODULE, SETTINGS, stepsKind } from './scan-kinds.ts';
import { SCOPE } from './scan-rows.ts';

export interface ScanAsk {
  readonly kind: 'steps' | 'periods' | 'kpis' | 'end';
  readonly query: unknown;
}

export interface ScanTold {
  readonly ms: number;
  readonly answer: unknown;
  readonly ran: string;
  readonly memory: { readonly rss_mib: number; readonly file_mib: number };
}

/** Of the process: all of it, and the part that is the state's file. */
function memory(): ScanTold['memory'] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mib = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
  return { rss_mib: mib('VmRSS'), file_mib: mib('RssFile') };
}

/** Answers queries of the bench in a process of its own, so that its memory is its own. */
async function scanChild(folder: string): Promise<void> {
  const reader = openLmdbReader(folder);
  const executor = new QueryExecutor({
    reader,
    kinds: new KindRegistry(queryKinds()),
    clock: systemClock,
    pool: { path: folder, reader: {}, modules: [SCAN_KINDS_MODULE], config: SETTINGS, threads: 2 },
  });
  const kinds: Record<string, QueryKind<never, never, never, unknown>> = {
    steps: stepsKind as unknown as QueryKind<never, never, never, unknown>,
    periods: periodsKind as unknown as QueryKind<never, never, never, unknown>,
    kpis: orderQueries(SETTINGS).kpis as unknown as QueryKind<never, never, never, unknown>,
  };
  const ask = async ({ kind: name, query }: ScanAsk): Promise<ScanTold> => {
    const kind = kinds[name] as QueryKind<never, never, never, unknown>;
    const parsed = kind.schema.parse(query);
    const began_ms = performance.now();
    const { answer, ran } = await executor.run(kind, parsed, { scope: SCOPE });
    return { ms: performance.now() - began_ms, answer, ran, memory: memory() };
  };
  process.once('disconnect', () => process.exit());
  process.on('message', (asked: ScanAsk) => {
    if (asked.kind === 'end') void executor.close().then(() => process.disconnect());
    else void ask(asked).then((told) => process.send?.(told));
  });
}

await scanChild(process.argv[2] as string);
