import { CLUSTER_COMMANDS } from './cluster-commands.ts';
import { type Command, JSON_OPTION, PLACE_OPTIONS, TOPOLOGY_OPTION } from './command.ts';

/** Every command with its options and its help. Its code is loaded when it runs. */

const DATA_DIR = { 'data-dir': PLACE_OPTIONS['data-dir'] };

const STREAM_OPTION = {
  stream: {
    type: 'string',
    multiple: true,
    value: 'NAME=SUBJECTS',
    help: 'a stream that your topology writes to, with its subjects, e.g. ALERTS=alerts.>,pages; repeatable',
  },
} as const;

const FAILING_OPTION = {
  'failing-records': {
    type: 'string',
    value: 'WHAT',
    help: 'with --topology: records that an operator fails on "stop" it (default), or go to the "deadletters"',
  },
} as const;

const GAP_OPTION = {
  'on-gap': {
    type: 'string',
    value: 'WHAT',
    help: 'messages that the stream removed unread "stop" it (default), or it goes on: "skip"; default: ON_GAP',
  },
} as const;

const start: Command = {
  name: 'start',
  summary: 'Runs a topology, and without NATS_URL a NATS server for it, until SIGTERM',
  details: [
    'Without --topology: the order analytics and their API. Settings are environment variables; see docs/operations.md.',
    'With --topology: that topology. Streams that it reads, and those of --stream, are made where they are missing.',
    'Its state goes to DATA_DIR/state; a start goes on from the last commit.',
    'With --http others than this machine need HTTP_TOKEN, which clients send as a bearer token.',
    'A topology that would lose state, or cannot read it, is refused; ALLOW_TOPOLOGY_CHANGE=1 deletes that state.',
  ],
  options: {
    ...TOPOLOGY_OPTION,
    ...PLACE_OPTIONS,
    ...STREAM_OPTION,
    ...FAILING_OPTION,
    ...GAP_OPTION,
    member: {
      type: 'string',
      value: 'NAME',
      help: 'with --topology: shares its partitions with other processes on one NATS; the name of this one',
    },
    standbys: {
      type: 'string',
      value: 'NUMBER',
      help: 'with --member: how many other members follow each task; default: 1',
    },
    http: {
      type: 'string',
      value: 'PORT',
      help: 'with --topology: serves health, metrics and tables on HOST (127.0.0.1), and logs JSON lines',
    },
  },
  run: async (args, context) => {
    const isOfUser = (context.env.MILLRACE_TOPOLOGY ?? '').trim() !== '';
    if (isOfUser) return await (await import('./start-topology.ts')).start(args, context);
    return await (await import('./start.ts')).start(args, context);
  },
};

const topologyCommands: readonly Command[] = [
  {
    name: 'topology describe',
    summary: 'Lists the operators, what they read and what they keep',
    options: { ...TOPOLOGY_OPTION, ...JSON_OPTION },
    run: async (args, context) => (await import('./topology-commands.ts')).describe(args, context),
  },
  {
    name: 'topology draw',
    summary: 'Draws the topology as a Mermaid flowchart',
    options: TOPOLOGY_OPTION,
    run: async (_, context) => (await import('./topology-commands.ts')).draw(context),
  },
  {
    name: 'topology diff',
    summary: 'Compares the topology that wrote the state with the one that would run on it',
    details: ['Exit code 1: a start would refuse, for state would be given up.'],
    options: { ...TOPOLOGY_OPTION, ...DATA_DIR, ...JSON_OPTION },
    run: async (args, context) => (await import('./topology-commands.ts')).diff(args, context),
  },
];

const stateCommands: readonly Command[] = [
  {
    name: 'state ls',
    summary: 'Lists the tables of the state with their rows and bytes',
    options: { ...TOPOLOGY_OPTION, ...DATA_DIR, ...JSON_OPTION },
    run: async (args, context) => (await import('./state.ts')).list(args, context),
  },
  {
    name: 'state get',
    parameters: 'TABLE',
    max_positionals: 1,
    summary: 'Prints rows of a table, one JSON object a line',
    details: [
      'TABLE is one that "state ls" shows. Rows are decoded as their operator does; where it cannot, they show',
      'text, JSON or hex. Exit code 1: there is no row of that key.',
    ],
    options: {
      ...TOPOLOGY_OPTION,
      ...DATA_DIR,
      scope: {
        type: 'string',
        value: 'NAME',
        help: 'only rows of this scope, as rows show it: a tenant, a window',
      },
      key: { type: 'string', value: 'KEY', help: 'only the row of this key' },
      prefix: { type: 'string', value: 'TEXT', help: 'only keys that begin so' },
      limit: { type: 'string', value: 'N', help: 'rows at most; default 100' },
    },
    run: async (args, context) => (await import('./state.ts')).get(args, context),
  },
  {
    name: 'state digest',
    summary: 'Prints a hash of what the state says: equal for equal sets of events',
    options: { ...TOPOLOGY_OPTION, ...DATA_DIR },
    run: async (_, context) => (await import('./state.ts')).digest(context),
  },
  {
    name: 'state verify',
    summary: 'Reads every row of every table, and checks that position, tables and topology fit together',
    details: [
      'Looks at the file first, then compares each row with its checksum and its neighbours, and adds up rollups',
      'against the rows of the event log. Exit code 1: something is wrong.',
    ],
    options: { ...TOPOLOGY_OPTION, ...DATA_DIR, ...JSON_OPTION },
    run: async (args, context) => (await import('./state.ts')).verify(args, context),
  },
  {
    name: 'state rebuild',
    summary: 'Builds the state anew from the stream, makes it current, and keeps the old one aside',
    details: [
      'For a state that is damaged. Stop millrace before. Nothing is sent to the outside.',
      'Of the old state only its position and its definitions are read, where they can be.',
      'Give it the --failing-records that the topology runs with. Refused where the stream has lost its beginning.',
    ],
    options: {
      ...TOPOLOGY_OPTION,
      ...PLACE_OPTIONS,
      ...FAILING_OPTION,
      force: { type: 'boolean', help: 'also from a stream that has lost its beginning' },
    },
    run: async (args, context) => (await import('./rebuild.ts')).rebuild(args, context),
  },
];

const SNAPSHOT_OPTIONS = { ...TOPOLOGY_OPTION, ...DATA_DIR, ...JSON_OPTION };

const ONE_SNAPSHOT = { parameters: 'SNAPSHOT', max_positionals: 1 } as const;

const snapshotCommands: readonly Command[] = [
  {
    name: 'snapshot create',
    summary: 'Copies the current state, while millrace runs or not',
    details: ['A folder without a manifest is a snapshot that was not finished.'],
    options: {
      ...SNAPSHOT_OPTIONS,
      to: {
        type: 'string',
        value: 'DIR',
        help: 'an empty folder, or one that is not there; default: DATA_DIR/snapshots/TIME',
      },
    },
    run: async (args, context) => (await import('./state.ts')).takeSnapshot(args, context),
  },
  {
    name: 'snapshot ls',
    summary: 'Lists the snapshots with position, size and age',
    options: {
      ...SNAPSHOT_OPTIONS,
      in: { type: 'string', value: 'DIR', help: 'folder of snapshots; default: DATA_DIR/snapshots' },
    },
    run: async (args, context) => (await import('./state.ts')).showSnapshots(args, context),
  },
  {
    name: 'snapshot verify',
    ...ONE_SNAPSHOT,
    summary: 'Compares the files of a snapshot with their checksums, and opens its state',
    details: ['SNAPSHOT is a folder, or a name that "snapshot ls" shows. Exit code 1: something is wrong.'],
    options: SNAPSHOT_OPTIONS,
    run: async (args, context) => (await import('./state.ts')).checkSnapshot(args, context),
  },
  {
    name: 'snapshot restore',
    ...ONE_SNAPSHOT,
    summary: 'Puts a snapshot into a data folder; the next start goes on from its position',
    details: [
      'SNAPSHOT is a folder, or a name that "snapshot ls" shows. Its files are checked before they are used.',
      'Streams and secrets are not in a snapshot: start with the NATS server that it was made with.',
    ],
    options: {
      ...SNAPSHOT_OPTIONS,
      force: {
        type: 'boolean',
        help: 'also where a state is there, which is kept, or where millrace seems to run',
      },
    },
    run: async (args, context) => (await import('./state.ts')).putBackSnapshot(args, context),
  },
];

const replay: Command = {
  name: 'replay',
  summary: 'Rebuilds the state from the stream beside the current one, and compares the two',
  details: [
    'Nothing is sent to the outside. With --make-current a process that runs a topology of your own goes on from the',
    'new state at once, without a restart; else the next start does.',
    'Give it the --failing-records that the topology runs with.',
    'Exit code 1: the states differ (then nothing is made current, unless --force), or it was cancelled.',
  ],
  options: {
    ...TOPOLOGY_OPTION,
    ...PLACE_OPTIONS,
    ...JSON_OPTION,
    ...FAILING_OPTION,
    into: { type: 'string', value: 'DIR', help: 'data folder for the new state; default: the same' },
    keep: { type: 'boolean', help: 'leave the new state where it is also when it is not made current' },
    'make-current': { type: 'boolean', help: 'go on with the new state' },
    force: { type: 'boolean', help: 'make it current also when it is not the same' },
  },
  run: async (args, context) => (await import('./replay.ts')).replay(args, context),
};

const SELECTION = {
  reason: { type: 'string', value: 'CODE', help: 'only of this reason, e.g. missing_field' },
  tenant: { type: 'string', value: 'NAME', help: 'only of this tenant: the subject deadletter.NAME' },
} as const;

/** Taken as the other commands take it: what a script gives to all of them is right here too. */
const ANY_TOPOLOGY = {
  topology: {
    ...TOPOLOGY_OPTION.topology,
    help: 'changes nothing: all topologies of a server have one stream',
  },
} as const;

const deadletterCommands: readonly Command[] = [
  {
    name: 'deadletters ls',
    summary: 'Lists the messages that could not be processed, with the reason',
    options: {
      ...ANY_TOPOLOGY,
      ...PLACE_OPTIONS,
      ...JSON_OPTION,
      ...SELECTION,
      limit: { type: 'string', value: 'N', help: 'at most so many; default 100' },
    },
    run: async (args, context) => (await import('./deadletters.ts')).list(args, context),
  },
  {
    name: 'deadletters retry',
    parameters: '[SEQUENCE...]',
    max_positionals: 1_000,
    summary: 'Publishes dead letters to their original subjects again, under new message ids',
    details: [
      'Name dead letters by the sequence that "deadletters ls" shows, or select them with --all.',
      'They get back the headers that they had. What was sent again before is left out, unless it is named.',
      'Exit code 1: some could not be sent.',
    ],
    options: {
      ...ANY_TOPOLOGY,
      ...PLACE_OPTIONS,
      ...SELECTION,
      all: { type: 'boolean', help: 'all that the other options select' },
      'dry-run': { type: 'boolean', help: 'only say what would be sent' },
    },
    run: async (args, context) => (await import('./deadletters.ts')).retry(args, context),
  },
];

const SUBJECT = {
  subject: { type: 'string', value: 'NAME', help: 'only messages for this subject' },
} as const;

const outboxCommands: readonly Command[] = [
  {
    name: 'outbox ls',
    summary: 'Lists the messages that are owed to the outside, with why those of their subject cannot leave',
    options: {
      ...TOPOLOGY_OPTION,
      ...DATA_DIR,
      ...JSON_OPTION,
      ...SUBJECT,
      limit: { type: 'string', value: 'N', help: 'at most so many; default 100' },
    },
    run: async (args, context) => (await import('./outbox.ts')).list(args, context),
  },
  {
    name: 'outbox drop',
    parameters: '[ROW...]',
    max_positionals: 1_000,
    summary: 'Ends the waiting of messages that cannot leave: removes them, or makes dead letters of them',
    details: [
      'Name messages by the rows that "outbox ls" shows, or select them with --subject or --all.',
      'The process that runs the topology may go on: it looks before it tries a message again.',
    ],
    options: {
      ...TOPOLOGY_OPTION,
      ...DATA_DIR,
      ...SUBJECT,
      all: { type: 'boolean', help: 'all that are owed' },
      deadletters: {
        type: 'boolean',
        help: 'puts them among the dead letters, with the reason undeliverable',
      },
      'dry-run': { type: 'boolean', help: 'only say which' },
    },
    run: async (args, context) => (await import('./outbox.ts')).drop(args, context),
  },
];

const why: Command = {
  name: 'why',
  summary: 'Says why nothing comes out: the cause, its place, and what to do next',
  details: [
    'Looks at the state, at the streams, and at what the running process says of itself in DATA_DIR/run.',
    'Exit code 1: there is a cause.',
  ],
  options: { ...TOPOLOGY_OPTION, ...PLACE_OPTIONS, ...JSON_OPTION },
  run: async (args, context) => (await import('./why.ts')).why(args, context),
};

const doctor: Command = {
  name: 'doctor',
  summary: 'Checks what millrace needs: node, nats-server, JetStream, the data folder, disk and port',
  details: [
    'With --topology also that its module loads, that its state fits, and that filters and subjects fit its streams:',
    'give it the --stream and --failing-records of the start.',
    'On a server that runs also what the service may do there, and that a publisher may not do more than publish.',
    'Fetches a nats-server where none is found, as a start would. Exit code 1: something failed.',
  ],
  options: {
    ...TOPOLOGY_OPTION,
    ...PLACE_OPTIONS,
    ...JSON_OPTION,
    ...STREAM_OPTION,
    ...FAILING_OPTION,
    publisher: {
      type: 'string',
      value: 'FILE',
      help: "a publisher's credentials file to be checked; default: that of the embedded server",
    },
  },
  run: async (args, context) => (await import('./doctor.ts')).doctor(args, context),
};

export const COMMANDS: readonly Command[] = [
  start,
  ...topologyCommands,
  ...stateCommands,
  ...snapshotCommands,
  replay,
  ...deadletterCommands,
  ...outboxCommands,
  ...CLUSTER_COMMANDS,
  doctor,
  why,
];
