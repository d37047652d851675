import type { Cause, HostFacts, WhyFacts } from './facts.ts';

type Told = Pick<Cause, 'code' | 'sentence' | 'next'>;

const REBUILD = 'rebuild the state with "millrace replay --make-current --force"';

/** Errors of a task that have a cause of their own, by code. */
const BY_ERROR: Readonly<Record<string, Told>> = {
  disk_full: {
    code: 'disk_full',
    sentence: 'The disk that holds the state is full, and nothing can be committed.',
    next: 'Free space on it; processing goes on by itself.',
  },
  state_has_another_writer: {
    code: 'other_writer',
    sentence: 'Another process writes to the same state, and this one has stopped.',
    next: 'Stop one of the two, or give each its own DATA_DIR; then start again.',
  },
  stream_recreated: {
    code: 'stream_recreated',
    sentence: 'The stream was deleted and made again: its sequence numbers mean other messages.',
    next: `Restore the stream from its backup, or ${REBUILD}.`,
  },
  stream_replaced: {
    code: 'stream_replaced',
    sentence:
      'An older copy of the stream was restored: it has other messages where the state has read some.',
    next: `Restore the newer copy, or publish what is missing again and ${REBUILD}.`,
  },
  stream_mismatch: {
    code: 'stream_mismatch',
    sentence: 'The state was built from another stream than the one that the source reads.',
    next: 'Point the source at the stream that the state was built from, or use another DATA_DIR.',
  },
  position_ahead_of_stream: {
    code: 'position_ahead_of_stream',
    sentence: 'The stream ends before the position of the state: it has lost messages that were applied.',
    next: `Restore the stream and publish the missing messages again, or ${REBUILD}.`,
  },
  position_before_stream: {
    code: 'position_before_stream',
    sentence: 'The stream has removed messages that were not read yet.',
    next: `Raise the stream's limits and restore the messages from a backup, or ${REBUILD}.`,
  },
  stream_went_back: {
    code: 'stream_recreated',
    sentence: 'The stream lost messages, and their numbers were given again.',
    next: `Restore the stream from its backup, or ${REBUILD}.`,
  },
  topology_changed: {
    code: 'topology_changed',
    sentence: 'The topology is not the one that wrote the state, and a start would lose some of it.',
    next: 'See "millrace topology diff"; start with ALLOW_TOPOLOGY_CHANGE=1 to delete what has no reader.',
  },
  state_schema_mismatch: {
    code: 'topology_changed',
    sentence: 'The program cannot read a table of the state.',
    next: `Give the table a migrate, run the version that wrote it, or ${REBUILD}.`,
  },
  window_changed: {
    code: 'topology_changed',
    sentence: 'A window operator has another definition than the one that wrote its state.',
    next: `Give it a new name, or ${REBUILD}.`,
  },
  source_renamed: {
    code: 'topology_changed',
    sentence: 'A source has a new name, and would read its stream from the beginning again.',
    next: 'Give it its old name, or start once with ALLOW_TOPOLOGY_CHANGE=1.',
  },
  stream_missing: {
    code: 'stream_missing',
    sentence: 'The stream that the source reads is not on the server.',
    next: 'Make it, restore it from its backup, or correct its name.',
  },
  nats_unauthorized: {
    code: 'no_permission',
    sentence: 'The NATS server refuses the credentials.',
    next: 'Give the right ones; "millrace doctor" checks them.',
  },
  nats_permission_denied: {
    code: 'no_permission',
    sentence: 'The credentials lack a permission that the topology needs.',
    next: 'Grant what "millrace doctor" lists.',
  },
  nats_forbidden: {
    code: 'no_permission',
    sentence: 'The NATS server does not let these credentials read the stream.',
    next: 'Grant the permission; docs/operations.md lists what a topology needs.',
  },
};

/** The embedded server ends with its process: that it is away is no cause of its own. */
export const NOT_STARTED = 'nats_not_started';
const NATS_AWAY = new Set(['nats_unreachable', 'nats_connection_closed']);

/** What the state of the task alone explains: then nothing else has to be looked for. */
export function taskCauses({ host, inputs, nats }: WhyFacts): readonly Cause[] {
  if (nats.problem?.code === NOT_STARTED && host === undefined) return [NOT_RUNNING];
  if (nats.problem !== undefined) return [natsCause(nats.url, nats.problem)];
  const { error } = host ?? {};
  const streams = [...new Set(inputs.map(({ stream }) => stream))].join(', ');
  if (error !== undefined && NATS_AWAY.has(error.code)) return [natsCause(nats.url, error)];
  const told = error === undefined ? undefined : BY_ERROR[error.code];
  if (told !== undefined) return [{ ...told, place: placeOf(told.code, streams) }];
  if (host === undefined || error === undefined) return host === undefined ? [NOT_RUNNING] : [];
  return generalCause(host, error, streams);
}

const NOT_RUNNING: Cause = {
  code: 'not_running',
  place: 'process',
  sentence: 'No process runs this topology on this data folder.',
  next: 'Start it: "millrace start --topology FILE --data-dir DIR".',
};

function placeOf(code: string, streams: string): string {
  if (code === 'disk_full' || code === 'other_writer') return 'state';
  return code === 'topology_changed' ? 'topology' : `stream ${streams}`;
}

function natsCause(url: string, problem: { readonly code: string; readonly message: string }): Cause {
  const told = BY_ERROR[problem.code];
  if (told !== undefined) return { ...told, place: `NATS at ${url}` };
  return {
    code: 'nats_away',
    place: `NATS at ${url}`,
    sentence: 'There is no connection to the NATS server.',
    next: 'Start it, or correct NATS_URL; processing goes on by itself when it is back.',
  };
}

function generalCause(
  { state }: HostFacts,
  { code, message, operator }: NonNullable<HostFacts['error']>,
  streams: string,
): readonly Cause[] {
  if (state === 'failed') {
    const isOfOperator = operator !== undefined || code === 'record_failed';
    return [
      {
        code: isOfOperator ? 'operator_failed' : 'task_failed',
        place: operator === undefined ? 'task' : `operator "${operator}"`,
        sentence: `The task has ended for good: ${message} [${code}]`,
        next: isOfOperator
          ? 'Mend the function and start again, or set failing records aside: --failing-records deadletters.'
          : 'Do what the message says, and start again.',
      },
    ];
  }
  return [
    {
      code: code.startsWith('stream_') || code.startsWith('source_') ? 'source_failing' : 'task_failing',
      place: code.startsWith('stream_') || code.startsWith('source_') ? `stream ${streams}` : 'task',
      sentence: `The task fails and is started again and again: ${message} [${code}]`,
      next: 'Do what the message says; it is tried again by itself.',
    },
  ];
}
