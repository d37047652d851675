import { subjectToken } from '../../api/index.ts';
import { connectNats, type EventMessage, EventPublisher, type NatsServer } from '../../connectors/index.ts';
import { readRows } from './csv.ts';
import { type RetailEvent, RetailEvents } from './events.ts';

/** A file, read and ready to be published. */
export interface Prepared {
  readonly messages: readonly EventMessage[];
  readonly lines: number;
  readonly bytes: number;
  /** Events by type. */
  readonly types: Readonly<Record<string, number>>;
  /** Σ of the file's lines, minor units. */
  readonly net: number;
  /** Event time of the earliest and the latest event. */
  readonly first: string;
  readonly last: string;
}

const encoder = new TextEncoder();

/**
 * The message of an event. Token 3 of the subject is the partition key as everywhere: the customer, else
 * the order.
 */
export function messageOf(event: RetailEvent): EventMessage {
  const key = event.customer_id ?? event.order_id ?? event.data?.invoice ?? '';
  return {
    subject: `events.default.${subjectToken(key)}`,
    payload: encoder.encode(JSON.stringify(event)),
  };
}

/** Reads a file of the data set into messages. */
export async function prepare(path: string): Promise<Prepared> {
  const mapper = new RetailEvents();
  const messages: EventMessage[] = [];
  const types: Record<string, number> = {};
  let lines = 0;
  let bytes = 0;
  let first = '';
  let last = '';
  const take = (events: readonly RetailEvent[]): void => {
    for (const event of events) {
      const message = messageOf(event);
      messages.push(message);
      bytes += message.payload.length;
      types[event.type] = (types[event.type] ?? 0) + 1;
      // The times are of one form, so their order as text is that in time.
      if (first === '' || event.time < first) first = event.time;
      if (event.time > last) last = event.time;
    }
  };
  await readRows(path, (row) => {
    lines++;
    take(mapper.add(row));
  });
  take(mapper.end());
  return { messages, lines, bytes, types, net: mapper.net, first, last };
}

/** Messages handed to the publisher at once; its own window bounds what is in flight. */
const BATCH = 500;

/** Publishes into the stream; returns once it has stored everything. */
export async function publish(
  server: NatsServer,
  messages: readonly EventMessage[],
  progress: (done: number) => void = () => {},
): Promise<void> {
  const link = await connectNats({ ...server, name: 'millrace-example' });
  try {
    const publisher = new EventPublisher(link);
    for (let from = 0; from < messages.length; from += BATCH) {
      const batch = messages.slice(from, from + BATCH);
      await publisher.publishAll(batch);
      progress(from + batch.length);
    }
  } finally {
    await link.close();
  }
}
