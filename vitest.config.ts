import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that measure the memory of their process, or fill it. */
const MEMORY = [
  'test/bounded-state-keyed.test.ts',
  'test/simulation-seeds.test.ts',
  'test/bounded-state-windows.test.ts',
  'test/bounded-state-joins.test.ts',
  'test/bounded-state-tables.test.ts',
  'test/bounded-state-kinds.test.ts',
  'test/large-query.test.ts',
];

/**
 * Files of more than 10 s, the longest first: begun last, one of them would keep one core waiting for the other. Those
 * that wait for processes and servers come before those that compute, which use what the first leave idle.
 */
const LONG = [
  'test/web.test.ts',
  'test/erasure-crash.test.ts',
  'test/nats-away.test.ts',
  'test/cli-topology.test.ts',
  'test/example-shop.test.ts',
  'test/crash.test.ts',
  'test/definitions-live.test.ts',
  'test/backfill.test.ts',
  'test/order-hooks.test.ts',
  'test/gaps.test.ts',
  'test/connectors-queues.test.ts',
  'runtime/generations/generations.test.ts',
  'test/generations-crash.test.ts',
  'test/archive.test.ts',
  'test/snapshots.test.ts',
  'test/jobs.test.ts',
  'test/disk-full.test.ts',
  'test/cluster.test.ts',
  'test/damage.test.ts',
  'test/online-retail.test.ts',
  'test/chaos/chaos.test.ts',
  'test/order-imports.test.ts',
  'test/cluster-failover.test.ts',
  'test/contract-as-of.test.ts',
  'test/connectors.test.ts',
  'test/cli.test.ts',
  'test/contract-history.test.ts',
  'test/traffic.test.ts',
  'test/definitions-processes.test.ts',
  'test/small-servers.test.ts',
  'test/anomalies-live.test.ts',
  'test/models-live.test.ts',
  'test/dead-letters.test.ts',
  'test/library-crash.test.ts',
  'test/bi.test.ts',
  'test/packaging.test.ts',
  'test/docs.test.ts',
  'test/webhooks.test.ts',
  'test/door-keys.test.ts',
  'cli/cluster.test.ts',
  'runtime/host/partition-host.test.ts',
  'runtime/run/why.test.ts',
  'runtime/run/run.test.ts',
  'connectors/nats/source/jetstream-source-passed.test.ts',
  'connectors/nats/source/jetstream-source.test.ts',
  'connectors/nats/embedded/server.test.ts',
  'api/sections/models/model-routes.test.ts',
  'api/sections/jobs/job-routes.test.ts',
  'api/sections/whatif/whatif-route.test.ts',
  'api/sections/reports/report-routes.test.ts',
  'runtime/table-files/table-file.test.ts',
  'runtime/archive/archive-fence.test.ts',
  'api/matrix.test.ts',
  'api/arrival.test.ts',
  'operators/properties.test.ts',
  'test/nexmark.test.ts',
  'test/library-simulation.test.ts',
  'test/simulation.test.ts',
  'engine/query/executor.test.ts',
  'api/fuzz.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const at = LONG.findIndex((name) => moduleId.endsWith(name));
      // Last: a process is ended, and begun anew, where the next file is of another project.
      if (project.name === 'alone') return LONG.length + 1;
      return at < 0 ? LONG.length : at;
    };
    const rest = await super.sort(files);
    return rest.sort((a, b) => rank(a) - rank(b));
  }
}

const OUTSIDE = ['node_modules/**', 'dist/**'];

export default defineConfig({
  test: {
    // Two cores, and files that wait for processes and servers a good part of their time.
    maxWorkers: 3,
    // What Vite makes of a source, by its content: made once for all projects, and not again in the next run.
    experimental: { fsModuleCache: true },
    globalSetup: ['test/build.ts', 'test/requests-record.ts'],
    setupFiles: ['test/record-requests.ts'],
    sequence: { sequencer: LongestFirst },
    // Bounds for what hangs: a shared machine may be slow, or stand still for seconds.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    projects: [
      // Loading the modules once for many files takes a third of the time. A test leaves nothing behind in its process.
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['**/*.test.ts'],
          exclude: [...OUTSIDE, ...MEMORY],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: MEMORY, exclude: OUTSIDE, isolate: false } },
    ],
  },
});
