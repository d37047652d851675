import type { NatsLink } from '../../connectors/index.ts';
import { type KvReader, MillraceError } from '../../engine/index.ts';
import type { PartitionedRun } from '../partitions/index.ts';
import {
  type Cause,
  diagnose,
  gatherFacts,
  type HostFacts,
  hostFacts,
  type SendWatch,
} from '../why/index.ts';
import type { RunningTopology } from './run.ts';

/** What a process has of a partitioned topology, as a running topology. */
export function partitionedApp(
  run: PartitionedRun,
  link: NatsLink,
  sends: SendWatch,
): Omit<RunningTopology, 'ended' | 'stop'> {
  const facts = (): HostFacts => hostFacts({ status: statusOf(run), metrics: run.metrics() }, sends.failures);
  return {
    ...{ url: link.url, link, reader: noReader, isPartitioned: true },
    readers: () => run.readers,
    ask: (request, timeout_ms) => run.ask(request, timeout_ms),
    metrics: () => run.metrics(),
    facts,
    why: async () => {
      // Of each stage one task that is not well, else any: the others wait for the same.
      const causes = await Promise.all(
        run.stages.map(async ({ index, topology }): Promise<readonly Cause[]> => {
          const tasks = run.tasks.filter(({ id }) => id.stage === index);
          const task = tasks.find(({ hosted }) => hosted.state !== 'running') ?? tasks[0];
          if (task === undefined) return [];
          const host = hostFacts(
            { status: { ...task.hosted, since_ms: 0 }, metrics: task.metrics() },
            sends.failures,
          );
          const inputs = [task.input];
          return diagnose(await gatherFacts({ topology, inputs, host, progress: task.progress, nats: link }));
        }),
      );
      const all = new Map(causes.flat().map((cause) => [`${cause.code} ${cause.place}`, cause]));
      return [...all.values()];
    },
    caughtUp: (timeout_ms) => run.caughtUp(timeout_ms),
    applied: (stream, sequence, timeout_ms) => run.applied(stream, sequence, timeout_ms),
  };
}

const statusOf = ({ status }: PartitionedRun) => ({ ...status, since_ms: 0 });

function refuse(): never {
  throw new MillraceError(
    'state_is_partitioned',
    'The state of a partitioned topology is in the states of its tasks, some of them perhaps in other processes: ask for ' +
      'rows with ask({ table, query }).',
  );
}

const noReader: KvReader = {
  snapshot: refuse,
  tableNames: refuse,
  close: () => Promise.resolve(),
};
