import { type Command, JSON_OPTION, PLACE_OPTIONS, TOPOLOGY_OPTION } from './command.ts';

const CLUSTER_OPTIONS = { ...TOPOLOGY_OPTION, ...PLACE_OPTIONS };

/** Commands on the processes that share the tasks of a topology. */
export const CLUSTER_COMMANDS: readonly Command[] = [
  {
    name: 'cluster status',
    summary: 'Says which processes run the tasks of a topology, and what is not as it should be',
    details: [
      'Watches the bucket of the cluster for two and a half seconds, to see who lives.',
      'Exit code 1: a task has no living owner, has failed, or lacks a ready standby; or a member is silent.',
    ],
    options: { ...CLUSTER_OPTIONS, ...JSON_OPTION },
    run: async (args, context) => (await import('./cluster.ts')).status(args, context),
  },
  {
    name: 'cluster plan',
    summary: 'Lists each task with its owner, its standbys, and where it is going',
    details: ['Tasks are named STAGE.PARTITION.'],
    options: { ...CLUSTER_OPTIONS, ...JSON_OPTION },
    run: async (args, context) => (await import('./cluster.ts')).plan(args, context),
  },
  {
    name: 'cluster drain',
    parameters: 'MEMBER',
    max_positionals: 1,
    summary: 'Has a member give its tasks to the others, and waits until it has none',
    details: ['Two at a time; each goes on in a moment. The last members of a cluster keep their tasks.'],
    options: {
      ...CLUSTER_OPTIONS,
      undo: { type: 'boolean', help: 'the member takes tasks again' },
    },
    run: async (args, context) => (await import('./cluster.ts')).drain(args, context),
  },
  {
    name: 'cluster move',
    parameters: 'TASK',
    max_positionals: 1,
    summary: 'Pins a task to a member, which makes itself ready and takes it then',
    options: {
      ...CLUSTER_OPTIONS,
      to: { type: 'string', value: 'MEMBER', help: 'where it is to be for as long as that member lives' },
      free: { type: 'boolean', help: 'it need not be there any more' },
    },
    run: async (args, context) => (await import('./cluster.ts')).move(args, context),
  },
];
