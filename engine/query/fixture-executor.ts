import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { KvStore } from '../kv.ts';
import { openLmdbReader, openLmdbStore } from '../store-lmdb.ts';
import { busyKind, sumKind } from './fixture-kinds.ts';
import { ToyWriter } from './fixture-state.ts';
import { type AdmissionLimits, KindRegistry, QueryExecutor, type QueryLimits } from './index.ts';

/** From source or built, like this file. */
const KINDS = new URL(
  import.meta.url.endsWith('.ts') ? './fixture-kinds.ts' : './fixture-kinds.js',
  import.meta.url,
);

/** An executor with real threads over a real state. */
export interface Rig {
  readonly path: string;
  readonly store: KvStore;
  readonly writer: ToyWriter;
  readonly executor: QueryExecutor;
  /** The sum of a metric over its labels. */
  metric(name: string): number;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly threads?: number;
  readonly limits?: QueryLimits;
  readonly admission?: AdmissionLimits;
  /** Modules of kinds; default the fixture's. */
  readonly modules?: readonly string[];
}

export async function openRig({ threads = 1, modules, limits, admission }: RigOptions = {}): Promise<Rig> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-query-'));
  const store = openLmdbStore(path, { durable: false });
  const writer = new ToyWriter(store);
  const options = { sharedWithWriter: true };
  const reader = openLmdbReader(path, options);
  const executor = new QueryExecutor({
    reader,
    kinds: new KindRegistry([sumKind, busyKind]),
    clock: systemClock,
    pool: { path, reader: options, modules: modules ?? [KINDS.href], config: { toy: true }, threads },
    ...(limits === undefined ? {} : { limits }),
    ...(admission === undefined ? {} : { admission }),
  });
  return {
    path,
    store,
    writer,
    executor,
    metric: (name) =>
      executor
        .samples()
        .filter((sample) => sample.name === `millrace.query.${name}`)
        .reduce((total, { value }) => total + value, 0),
    close: async () => {
      await executor.close();
      await reader.close();
      await store.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

export function cells(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * count));
}
