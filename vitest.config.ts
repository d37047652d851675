import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of more than 10 s, the longest first: begun last, one of them would keep one core waiting for the other. */
const LONG = [
  'test/nats-away.test.ts',
  'test/online-retail.test.ts',
  'test/crash.test.ts',
  'test/contract-history.test.ts',
  'test/contract-as-of.test.ts',
  'test/disk-full.test.ts',
  'test/bounded-state-keyed.test.ts',
  'runtime/generations/generations.test.ts',
  'test/generations-crash.test.ts',
  'test/cli-topology.test.ts',
  'test/cli.test.ts',
  'test/simulation-seeds.test.ts',
  'test/bounded-state-windows.test.ts',
  'test/bounded-state-joins.test.ts',
  'test/bounded-state-tables.test.ts',
  'test/library-simulation.test.ts',
  'test/jobs.test.ts',
  'test/webhooks.test.ts',
  'test/definitions-live.test.ts',
  'test/online-retail-customers.test.ts',
  'test/dimensions-live.test.ts',
  'runtime/run/why.test.ts',
  'runtime/host/partition-host.test.ts',
  'connectors/nats/source/jetstream-source-passed.test.ts',
  'connectors/nats/source/jetstream-source.test.ts',
  'connectors/nats/embedded/server.test.ts',
  'api/fuzz.test.ts',
  'test/simulation.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? LONG.length : at;
    };
    const rest = await super.sort(files);
    return rest.sort((a, b) => rank(a) - rank(b));
  }
}

/** Rooms whose tests leave nothing behind in their process: loading the modules once for all of them halves the time. */
const SHARED = ['engine', 'operators', 'analytics', 'api'].map((room) => `${room}/**/*.test.ts`);
const OUTSIDE = ['node_modules/**', 'dist/**'];

export default defineConfig({
  test: {
    // Two cores, and files that wait for processes and servers a good part of their time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Bounds for what hangs: a shared machine may be slow, or stand still for seconds.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    projects: [
      { extends: true, test: { name: 'library', include: SHARED, exclude: OUTSIDE, isolate: false } },
      {
        extends: true,
        test: { name: 'system', include: ['**/*.test.ts'], exclude: [...OUTSIDE, ...SHARED] },
      },
    ],
  },
});
