import { mkdirSync, rmdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { JetStreamPublisher, jetstream } from '../../connectors/index.ts';
import {
  defineOperator,
  intCodec,
  mapTable,
  nextGeneration,
  openLmdbStore,
  type SourceRecord,
  stringKey,
  topology,
} from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { offerGeneration } from '../generations/index.ts';
import { stateRoot, WHOLE_STREAM } from '../host/index.ts';
import { type RunningTopology, run } from './run.ts';

const HANG_MS = 60_000;
const PATIENTLY = { timeout: HANG_MS, interval: 50 };
const NAME = 'taken';

const tables = () => ({
  counts: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }),
});
const tally = defineOperator<SourceRecord, never, undefined, ReturnType<typeof tables>>({
  kind: 'tally',
  summary: 'Messages by subject',
  state: tables,
  start: ({ state }) => ({
    onBatch: (records) => {
      const counts = state.counts.scope('');
      for (const { subject } of records) counts.set(subject, (counts.get(subject) ?? 0) + 1);
    },
  }),
});
const counting = topology(NAME, (t) => {
  t.source(jetstream('TAKEN', { subjects: ['taken.>'] })).pipe(tally('tally', undefined));
});

let nats: TestNats;
let dataDir = '';
beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-taken-'));
});
afterAll(async () => {
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function publish({ link }: RunningTopology, id: string): Promise<void> {
  const payload = Buffer.from('.');
  await new JetStreamPublisher(link).publish({ id, subject: 'taken.x', headers: {}, payload });
}

/** Offers a generation that has read nothing yet. */
async function offer(): Promise<void> {
  const root = stateRoot(dataDir);
  const layout = nextGeneration(root, NAME);
  await openLmdbStore(layout.partitionPath(WHOLE_STREAM)).close();
  offerGeneration(root, NAME, layout.generation);
}

const countsOf = ({ reader }: RunningTopology): number[] =>
  reader.snapshot((table) => [...table('tally/counts').scan()].map(({ value }) => (value[0] as number) >> 1));

describe('a generation that is taken over', () => {
  it(
    'is what a wait from before goes on with, and an offer that cannot be read is none',
    async () => {
      const lines: string[] = [];
      const said = (text: string): Promise<void> =>
        vi.waitFor(() => expect(lines.join('\n')).toContain(text), PATIENTLY);
      const running = await run(counting, { dataDir, natsUrl: nats.url, log: (line) => lines.push(line) });
      await publish(running, 'first');
      await running.applied('TAKEN', 1, HANG_MS);
      const path = join(stateRoot(dataDir), NAME, 'NEXT');
      mkdirSync(path);
      await said('what generation is offered cannot be read');
      rmdirSync(path);
      // Far longer than the test may take.
      const waits = running.applied('TAKEN', 2, 100 * HANG_MS);
      await offer();
      await said('of the state is current');
      await publish(running, 'second');
      await waits;
      expect(countsOf(running)).toEqual([2]);
      await running.stop();
    },
    HANG_MS,
  );

  it(
    'fails the end of the topology, and nothing else, where neither can go on',
    async () => {
      const log = (line: string): void => {
        if (line.startsWith('going on with generation')) throw new Error('no room for a line');
      };
      const running = await run(counting, { dataDir, natsUrl: nats.url, log });
      await offer();
      await expect(running.ended).rejects.toMatchObject({ code: 'internal' });
      await running.stop();
    },
    HANG_MS,
  );
});
