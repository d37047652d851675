import type { CellReport } from '../../analytics/index.ts';
import { EVENTS_STREAM, type NatsLink, StreamPayloads } from '../../connectors/index.ts';

/** Of one message. */
const MAX_IDS = 5;
const FETCH_TIMEOUT_MS = 10_000;

/** The report with the ids of the events that its messages hold, as far as the stream still has them. */
export async function withEventIds(report: CellReport, link: NatsLink): Promise<CellReport> {
  const sequences = [
    ...new Set(report.examples.flatMap(({ messages }) => messages.map(({ sequence }) => sequence))),
  ];
  if (sequences.length === 0) return report;
  const payloads = new StreamPayloads({
    link,
    stream: EVENTS_STREAM.name,
    subjectOf: (tenant) => `events.${tenant}.>`,
  });
  // The report is worth having without them.
  const found = await payloads
    .fetch(sequences, AbortSignal.timeout(FETCH_TIMEOUT_MS))
    .catch(() => new Map<number, null>());
  const examples = report.examples.map((example) => ({
    ...example,
    messages: example.messages.map((message) => {
      const record = found.get(message.sequence);
      if (record === undefined || record === null) return message;
      return { ...message, event_ids: idsIn(Buffer.from(record.data).toString(), record.header('ce-id')) };
    }),
  }));
  return { ...report, examples };
}

function idsIn(text: string, header: string | undefined): readonly string[] {
  if (header !== undefined) return [header];
  const values = parsed(text) ?? text.split('\n').map((line) => parsed(line));
  return [values]
    .flat(2)
    .flatMap((value) => (typeof value === 'object' && value !== null ? [value as Event] : []))
    .flatMap(({ event_id, id }) => (typeof (event_id ?? id) === 'string' ? [event_id ?? id] : []))
    .slice(0, MAX_IDS) as readonly string[];
}

interface Event {
  readonly event_id?: unknown;
  readonly id?: unknown;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
