import {
  ByteWriter,
  encodeMessage,
  type KvStore,
  OUTBOX_TABLE,
  type OutMessage,
  openLmdbStore,
  originalHeaders,
  owedMessages,
  rowKey,
  systemClock,
} from '../engine/index.ts';
import { hasState, readStatus } from '../runtime/index.ts';
import { type CommandArguments, type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type Place, placeOf, statePathOf, withState } from './place.ts';

const DEFAULT_LIMIT = 100;
const DETAIL = 'millrace outbox drop';

interface OwedRow {
  readonly row: number;
  readonly message: OutMessage;
}

const isOf = (subject: string | undefined, { message }: OwedRow): boolean =>
  subject === undefined || message.subject === subject;

/** Lists what the state owes to the outside, oldest first, with the last failure of its subject. */
export async function list(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const limit = args.whole('limit', DEFAULT_LIMIT);
  const place = await placeOf(context.env);
  const rows = await withState(place, (reader) =>
    reader.snapshot((table) => [...owedMessages(table(OUTBOX_TABLE))]),
  );
  const wanted = rows.filter((owed) => isOf(args.text('subject'), owed));
  const sends = readStatus(place.dataDir, place.topology.name, systemClock.now())?.sends ?? [];
  const failures = new Map(sends.map(({ subject, code }) => [subject, code]));
  for (const { row, message } of wanted.slice(0, limit)) {
    const { id, subject, payload } = message;
    const failure = failures.get(subject);
    const told = { row, subject, id, bytes: payload.length, ...(failure === undefined ? {} : { failure }) };
    const why = failure === undefined ? '' : `  ${failure}`;
    context.print(
      args.flag('json') ? JSON.stringify(told) : `${row}  ${subject}  ${id}  ${payload.length} bytes${why}`,
    );
  }
  if (!args.flag('json')) context.note(`${wanted.length} of ${rows.length} messages that are owed`);
  return 0;
}

/** Ends the waiting of messages that cannot leave: removes them, or makes dead letters of them. */
export async function drop(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const named = new Set(args.positionals.map(rowOf));
  const subject = args.text('subject');
  if (named.size === 0 && subject === undefined && !args.flag('all')) {
    throw new UsageError('Name messages by the rows that "outbox ls" shows, or give --subject or --all.');
  }
  const place = await placeOf(context.env);
  const store = openState(place);
  try {
    const isDry = args.flag('dry-run');
    const table = store.table(OUTBOX_TABLE);
    const wanted = [...owedMessages(table)].filter(
      (owed) => isOf(subject, owed) && (named.size === 0 || named.has(owed.row)),
    );
    if (!isDry) {
      store.transaction(() => {
        for (const { row, message } of wanted) {
          if (args.flag('deadletters')) {
            table.put(rowKey(row), encodeMessage(new ByteWriter(), letterOf(message)));
          } else table.remove(rowKey(row));
        }
      });
    }
    for (const { row, message } of wanted) context.print(`${row}  ${message.subject}  ${message.id}`);
    const done = args.flag('deadletters') ? 'made a dead letter' : 'removed';
    context.note(
      `${wanted.length} ${isDry ? 'would be' : 'are'} ${done}; a process that runs sees it within 30 s`,
    );
    return 0;
  } finally {
    await store.close();
  }
}

/** With its subject, headers and payload, so that `deadletters retry` can send it again. */
function letterOf({ id, subject, headers, payload }: OutMessage): OutMessage {
  return {
    id: `deadletter-outbox-${id}`,
    subject: 'deadletter.default',
    headers: {
      Reason: 'undeliverable',
      'Reason-Detail': DETAIL,
      'Original-Subject': subject,
      ...originalHeaders({ headers: () => Object.entries(headers) }),
    },
    payload,
  };
}

/** Throws `no_state` where there is none: nothing is made by looking. */
function openState(place: Place): KvStore {
  const path = statePathOf(place);
  if (!hasState(path))
    throw new UsageError(`There is no state of "${place.topology.name}" in ${place.dataDir}.`);
  return openLmdbStore(path);
}

function rowOf(text: string): number {
  const row = Number(text);
  if (Number.isSafeInteger(row) && row >= 0) return row;
  throw new UsageError(`"${text}" is no row of the outbox; "outbox ls" shows them.`);
}
