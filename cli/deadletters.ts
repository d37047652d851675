import {
  DEADLETTER_STREAM,
  EventPublisher,
  ensureStream,
  JetStreamSource,
  type NatsLink,
  openKeyValueStore,
  openManager,
  placed,
  StreamPayloads,
} from '../connectors/index.ts';
import { type KeyValueStore, MillraceError, type SourceRecord, systemClock } from '../engine/index.ts';
import { type CommandArguments, type CommandContext, type ExitCode, UsageError } from './command.ts';
import { withNats } from './nats.ts';
import { folderOf } from './place.ts';

const RETRIES_BUCKET = 'millrace-deadletter-retries';
const DEFAULT_LIMIT = 100;
const TAKE_MAX_RECORDS = 500;
const TAKE_WAIT_MS = 1_000;
const SHOWN_CHARS = 80;
const ORIGINAL_MS = 10_000;

interface DeadLetter {
  /** In the dead-letter stream. */
  readonly sequence: number;
  readonly subject: string;
  readonly reason: string;
  readonly detail: string;
  readonly original_subject: string;
  readonly original_sequence: number;
  /** Empty in those of earlier versions. */
  readonly original_stream: string;
  readonly original_part: number;
  readonly payload: Uint8Array;
  /** Bytes of the original payload, where only its beginning was kept. */
  readonly truncated_from: number | undefined;
  readonly original_headers: readonly (readonly [name: string, value: string])[];
  /** Headers that it had and that were not kept. */
  readonly omitted_headers: number;
}

/** What is known of sends of a dead letter back to its subject. */
interface Retry {
  readonly attempts: number;
  readonly at: string;
  readonly message_id: string;
  /** Where the stream stored it. */
  readonly stream_sequence: number;
}

function letterOf(record: SourceRecord): DeadLetter {
  const truncated = record.header('Truncated-From');
  return {
    sequence: record.sequence,
    subject: record.subject,
    reason: record.header('Reason') ?? '',
    detail: record.header('Reason-Detail') ?? '',
    original_subject: record.header('Original-Subject') ?? '',
    original_sequence: Number(record.header('Original-Seq') ?? 0),
    original_stream: record.header('Original-Stream') ?? '',
    original_part: Number(record.header('Original-Part') ?? 0),
    // The record's bytes are valid until the next take.
    payload: Uint8Array.from(record.data),
    truncated_from: truncated === undefined ? undefined : Number(truncated),
    original_headers: JSON.parse(record.header('Original-Headers') ?? '[]') as DeadLetter['original_headers'],
    omitted_headers: Number(record.header('Original-Headers-Omitted') ?? 0),
  };
}

/** Every dead letter of the stream that is wanted, oldest first, in bounded memory. */
async function* deadLetters(
  link: NatsLink,
  wanted: (letter: DeadLetter) => boolean,
): AsyncGenerator<DeadLetter> {
  const source = new JetStreamSource({ link, stream: DEADLETTER_STREAM.name });
  const { firstSequence, lastSequence } = await source.facts();
  if (lastSequence < firstSequence) return;
  await source.start(firstSequence - 1);
  try {
    for (let sequence = firstSequence - 1; sequence < lastSequence; ) {
      const records = await source.take({ max: TAKE_MAX_RECORDS, wait_ms: TAKE_WAIT_MS });
      for (const letter of records.map(letterOf)) {
        if (letter.sequence <= lastSequence && wanted(letter)) yield letter;
      }
      sequence = records.at(-1)?.sequence ?? (source.state().caughtUp ? lastSequence : sequence);
    }
  } finally {
    await source.stop();
  }
}

function selection(args: CommandArguments): (letter: DeadLetter) => boolean {
  const [reason, tenant] = [args.text('reason'), args.text('tenant')];
  return (letter) =>
    (reason === undefined || letter.reason === reason) &&
    (tenant === undefined || letter.subject === `deadletter.${tenant}`);
}

async function openRetries(link: NatsLink): Promise<KeyValueStore> {
  await ensureStream(await openManager(link), placed(link, DEADLETTER_STREAM));
  return await openKeyValueStore(link, RETRIES_BUCKET);
}

async function retryOf(retries: KeyValueStore, sequence: number): Promise<Retry | undefined> {
  return (await retries.get(String(sequence)))?.value as Retry | undefined;
}

export async function list(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const limit = args.whole('limit', DEFAULT_LIMIT);
  await withNats(folderOf(context.env), context, async (link) => {
    const retries = await openRetries(link);
    let listed = 0;
    for await (const letter of deadLetters(link, selection(args))) {
      const retried = await retryOf(retries, letter.sequence);
      context.print(args.flag('json') ? jsonOf(letter, retried) : lineOf(letter, retried));
      if (++listed >= limit) break;
    }
    if (!args.flag('json')) context.note(listed === 1 ? '1 dead letter' : `${listed} dead letters`);
  });
  return 0;
}

function jsonOf({ payload, ...letter }: DeadLetter, retry: Retry | undefined): string {
  return JSON.stringify({ ...letter, payload: Buffer.from(payload).toString('utf8'), retry });
}

function lineOf(letter: DeadLetter, retry: Retry | undefined): string {
  const text = Buffer.from(letter.payload).toString('utf8').replaceAll(/\s+/g, ' ').slice(0, SHOWN_CHARS);
  const retried = retry === undefined ? '' : ` (sent again ${retry.at})`;
  return `${letter.sequence}  ${letter.original_subject}@${letter.original_sequence}  ${letter.reason}: ${letter.detail}${retried}\n    ${text}`;
}

export async function retry(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const named = new Set(args.positionals.map(sequenceOf));
  if (named.size === 0 && !args.flag('all')) {
    throw new UsageError('Name the dead letters by their sequences, or give --all.');
  }
  const isSelected = selection(args);
  const wanted = (letter: DeadLetter): boolean =>
    isSelected(letter) && (named.size === 0 || named.has(letter.sequence));
  return await withNats(folderOf(context.env), context, async (link) => {
    const retries = await openRetries(link);
    const isDry = args.flag('dry-run');
    const counts = { sent: 0, skipped: 0 };
    const missing = new Set(named);
    for await (const found of deadLetters(link, wanted)) {
      const letter = await completed(link, found);
      missing.delete(letter.sequence);
      const before = await retryOf(retries, letter.sequence);
      if (before !== undefined && named.size === 0) continue;
      const problem = problemOf(letter);
      if (problem !== undefined) {
        context.note(`${letter.sequence}: not sent, ${problem}`);
        counts.skipped++;
        continue;
      }
      if (!isDry) await sendAgain(link, letter, before, retries);
      context.print(`${letter.sequence} -> ${letter.original_subject}`);
      counts.sent++;
    }
    for (const sequence of missing) {
      context.note(`${sequence}: not sent, there is no such dead letter`);
      counts.skipped++;
    }
    context.note(`${counts.sent} ${isDry ? 'would be sent' : 'sent'} again, ${counts.skipped} not`);
    return counts.skipped > 0 ? 1 : 0;
  });
}

/** A letter that was cut gets its payload and headers from the stream again, where they are still there. */
async function completed(link: NatsLink, letter: DeadLetter): Promise<DeadLetter> {
  const { truncated_from, original_stream, original_sequence, original_part } = letter;
  if (truncated_from === undefined || original_stream === '' || original_part !== 0) return letter;
  const message = await originalOf(link, original_stream, original_sequence).catch(() => null);
  if (message === null || message.data.length !== truncated_from) return letter;
  return {
    ...letter,
    payload: message.data,
    original_headers: [...(message.headers?.() ?? [])].filter(([name]) => !/^nats-/i.test(name)),
    truncated_from: undefined,
    omitted_headers: 0,
  };
}

async function originalOf(link: NatsLink, stream: string, sequence: number): Promise<SourceRecord | null> {
  const subjectOf = (tenant: string): string => tenant;
  const payloads = new StreamPayloads({ link, stream, subjectOf });
  return (await payloads.fetch([sequence], AbortSignal.timeout(ORIGINAL_MS))).get(sequence) ?? null;
}

function sequenceOf(text: string): number {
  const sequence = Number(text);
  if (Number.isSafeInteger(sequence) && sequence > 0) return sequence;
  throw new UsageError(`"${text}" is no sequence of a dead letter; "deadletters ls" shows them.`);
}

/** What a client takes as the name of a header. */
const HEADER_NAME = /^[!-9;-~]+$/;

function problemOf(letter: DeadLetter): string | undefined {
  const { original_subject, truncated_from, omitted_headers, original_headers } = letter;
  if (original_subject === '') return 'it does not say where it came from';
  if (truncated_from !== undefined)
    return `only its beginning was kept, of ${truncated_from} bytes, and the stream has the whole no more`;
  if (omitted_headers > 0) return `${omitted_headers} of its headers were not kept`;
  const malformed = original_headers.find(([name]) => !HEADER_NAME.test(name));
  return malformed === undefined ? undefined : `its header "${malformed[0]}" has no valid name`;
}

/**
 * Ids are known by the stream, whoever sent them: what is taken for a repeat may be another publisher's message, and is
 * sent once more then.
 */
async function publishAgain(link: NatsLink, letter: DeadLetter, id: string): Promise<number> {
  const publisher = new EventPublisher(link);
  const { original_subject: subject, original_stream: stream, payload } = letter;
  const message = { subject, payload, headers: headersOf(letter) };
  const { lastSequence, duplicates } = await publisher.publishAll([{ ...message, id }]);
  if (duplicates === 0 || stream === '') return lastSequence;
  const known = await originalOf(link, stream, lastSequence);
  if (known === null || known.subject === subject) return lastSequence;
  return (await publisher.publishAll([message])).lastSequence;
}

async function sendAgain(
  link: NatsLink,
  letter: DeadLetter,
  before: Retry | undefined,
  retries: KeyValueStore,
): Promise<void> {
  const attempts = (before?.attempts ?? 0) + 1;
  const message_id = `deadletter-retry-${letter.sequence}-${attempts}`;
  const lastSequence = await publishAgain(link, letter, message_id);
  const retry: Retry = {
    attempts,
    at: new Date(systemClock.now()).toISOString(),
    message_id,
    stream_sequence: lastSequence,
  };
  const key = String(letter.sequence);
  const written = await retries
    .get(key)
    .then((entry) =>
      entry === undefined ? retries.create(key, retry) : retries.update(key, retry, entry.revision),
    );
  if (!written.ok) {
    throw new MillraceError(
      'retried_elsewhere',
      `Somebody else sends dead letter ${letter.sequence} again at the same time; it was sent as ${message_id}.`,
    );
  }
}

function headersOf({ original_headers }: DeadLetter): Readonly<Record<string, readonly string[]>> {
  const headers = new Map<string, string[]>();
  for (const [name, value] of original_headers) headers.set(name, [...(headers.get(name) ?? []), value]);
  return Object.fromEntries(headers);
}
