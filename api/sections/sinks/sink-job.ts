import { createHash } from 'node:crypto';
import type { KpiQuery } from '../../../analytics/index.ts';
import { MillraceError } from '../../../engine/index.ts';
import {
  type AnswerTable,
  type Cell,
  type ConnectorBody,
  type JobKind,
  type JobOutcome,
  type KindDefinitions,
  type RunningJob,
  rowText,
  sendFile,
} from '../../../runtime/index.ts';
import type { SinkPorts } from '../../http/index.ts';
import { changedKpis, type ExportParts, type Seam, writeTables } from '../exports/index.ts';
import { patiently } from '../jobs/index.ts';
import type { Sink } from './sink-kind.ts';

export const SINK_JOB = 'sink';
/** Rows that are sent at once. */
const BATCH_ROWS = 500;

export interface SinkInput {
  readonly sink_id: string;
  readonly query: KpiQuery;
  readonly seam: Seam;
  readonly destination: Sink['destination'];
}

export interface SinkJobParts extends ExportParts {
  readonly connectors: Pick<KindDefinitions<ConnectorBody>, 'get'>;
  /** Configs of connectors as they are used. Throws `secret_unreadable`. */
  readonly secrets: { opened(tenant: string, body: ConnectorBody): unknown };
}

/** What is sent of one row. */
export interface SinkMessage {
  /** Of sink, key and position: the same in every repeat. */
  readonly id: string;
  /** Of the row, for a topic: rows of one key stay in their order. */
  readonly key: string;
  readonly text: string;
}

/**
 * Tells what changed of an answer between two positions, which the job's input says: a repeat tells the same rows under
 * the same ids, or writes the same file.
 */
export function sinkJobKind(parts: SinkJobParts): JobKind {
  return {
    type: SINK_JOB,
    lane: 'export',
    run: (job) => {
      const input = job.record.input as SinkInput;
      return 's3' in input.destination
        ? toFile(parts, job, input, input.destination.s3)
        : toBroker(parts, job, input);
    },
  };
}

async function toBroker(parts: SinkJobParts, job: RunningJob, input: SinkInput): Promise<JobOutcome> {
  const { signal } = job;
  const { clock, sinks } = parts.answers.ports;
  if (sinks === undefined) throw new MillraceError('not_supported', 'This process serves no sinks.');
  const { destination, query, seam, sink_id } = input;
  return patiently({ signal, clock }, async () => {
    const { table, facts } = await changedKpis(parts, job, query, seam);
    let rows = 0;
    const counted = async function* (): AsyncGenerator<readonly SinkMessage[]> {
      for (const batch of batches(messagesOf(sink_id, query, table))) {
        signal.throwIfAborted();
        yield batch;
        rows += batch.length;
        job.advance({ done: rows, total: null, unit: 'rows', counts: { rows } });
      }
    };
    await sendTo(parts, sinks, job.record.tenant, destination, counted());
    return { result: { rows, ...facts } };
  });
}

/** Sends messages to a broker. */
export async function sendTo(
  { connectors, secrets }: Pick<SinkJobParts, 'connectors' | 'secrets'>,
  sinks: SinkPorts,
  tenant: string,
  destination: Sink['destination'],
  all: AsyncIterable<readonly SinkMessage[]>,
): Promise<void> {
  if ('nats' in destination) {
    const subject = `sinks.${tenant}.${destination.nats}`;
    for await (const batch of all) {
      await sinks.publish(batch.map(({ id, text }) => ({ subject, payload: Buffer.from(text), id })));
    }
    return;
  }
  if (!('kafka' in destination)) return;
  const { connector_id, topic } = destination.kafka;
  const connector = connectors.get(tenant, connector_id);
  if (connector === undefined) {
    throw new MillraceError(
      'connector_missing',
      `The connector ${connector_id} of the sink is not there any more.`,
    );
  }
  const records = async function* () {
    for await (const batch of all)
      yield batch.map(({ id, key, text }) => ({ key, value: text, headers: { 'millrace-id': id } }));
  };
  await sinks.kafka(secrets.opened(tenant, connector.body), topic, records());
}

/** One message a row. */
function* messagesOf(
  sink_id: string,
  query: KpiQuery,
  { columns, rows }: AnswerTable,
): Generator<SinkMessage> {
  const metrics = new Set(query.metrics);
  const names = columns.map(({ name }) => name);
  const isKey = names.map((name) => !metrics.has(name) && name !== 'incomplete' && name !== 'as_of');
  const asOfAt = names.indexOf('as_of');
  const { line } = rowText('ndjson', names);
  for (const cells of rows) {
    const key = JSON.stringify(cells.filter((_, at) => isKey[at]));
    yield { id: idOf(sink_id, key, cells[asOfAt]), key, text: line(cells).trimEnd() };
  }
}

function idOf(sink_id: string, key: string, as_of: Cell | undefined): string {
  return createHash('sha256')
    .update(JSON.stringify([sink_id, key, as_of]))
    .digest('hex');
}

function* batches(all: Iterable<SinkMessage>): Generator<readonly SinkMessage[]> {
  let batch: SinkMessage[] = [];
  for (const message of all) {
    batch.push(message);
    if (batch.length < BATCH_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** A Parquet file whose name says from which sequence to which it goes: a repeat replaces it. */
async function toFile(
  parts: SinkJobParts,
  job: RunningJob,
  { query, seam }: SinkInput,
  url: string,
): Promise<JobOutcome> {
  const { table, facts } = await changedKpis(parts, job, query, seam);
  const input = { of: 'kpis', query, format: 'parquet', compression: false } as const;
  const next = (): Promise<undefined> => Promise.resolve(undefined);
  const outcome = await writeTables(parts, job, input, { first: table, next, facts });
  const { file } = outcome;
  if (file === undefined) return outcome;
  const name = `${sequence(seam.after?.position)}-${sequence(seam.to)}.parquet`;
  const { signal } = job;
  const sent_to = await patiently({ signal, clock: parts.answers.ports.clock }, () =>
    sendFile(
      parts.senders,
      { s3: url },
      {
        ...{ path: parts.files.path(file.name), name, media_type: file.media_type },
        ...{ size_bytes: file.size_bytes, id: job.record.job_id, subject: name, text: name },
      },
      signal,
    ),
  );
  return { ...outcome, result: { ...(outcome.result as object), sent_to } };
}

/** As text that sorts by it. */
function sequence(position: Seam['to'] | undefined): string {
  const [partitions = {}] = Object.values(position ?? {});
  return String(partitions['0'] ?? 0).padStart(12, '0');
}
