import { ColumnDecoder, EventBatch } from '../analytics/index.ts';
import type { ByteRegion, SourceRecord } from '../engine/index.ts';
import { Dictionary } from '../engine/index.ts';
import { machine, median } from './rig.ts';
import { traffic } from './traffic.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 400_000);
/** Events of one push, as the threaded source gives them. */
const PUSH_EVENTS = 4_096;
const BUFFER_BYTES = 4_194_304;
/** Pushes before the compiler knows the code. */
const WARM_PUSHES = 20;
const START_MS = Date.UTC(2025, 0, 1);

/** CPU time of `work`, ns an event. */
function cost(events: number, work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / events;
}

/** A message in the memory that two threads share, as the threaded source gives it. */
class RingRecord implements SourceRecord, ByteRegion {
  readonly subject = 'events.default.orders';
  readonly hasHeaders = false;
  readonly sequence: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;

  constructor(sequence: number, buffer: Buffer, start: number, end: number) {
    this.sequence = sequence;
    this.buffer = buffer;
    this.start = start;
    this.end = end;
  }

  get region(): ByteRegion {
    return this;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  header(): undefined {
    return undefined;
  }
}

/** Writes one push after the other into one ring. */
function pushes(next: () => string): () => RingRecord[] {
  const bytes = Buffer.from(new SharedArrayBuffer(BUFFER_BYTES));
  let sequence = 0;
  return () => {
    let at = 0;
    return Array.from({ length: PUSH_EVENTS }, () => {
      const start = at;
      at += bytes.write(next(), at);
      return new RingRecord(++sequence, bytes, start, at);
    });
  };
}

/** ns of CPU an event: bytes into columns, and JSON.parse of the same bytes, push by push in turns. */
export async function decodeBench(): Promise<object> {
  const dictionary = new Dictionary();
  const decoder = new ColumnDecoder({ dictionary });
  const batch = new EventBatch(dictionary);
  const push = pushes(traffic({ seed: 1, start_ms: START_MS, step_ms: 50, disorder_ms: 20_000 }));
  let rejected = 0;
  let checksum = 0;
  let size_bytes = 0;
  const report = { reject: () => void rejected++, badRate: () => void rejected++ };
  const columns: number[] = [];
  const parsing: number[] = [];
  for (let count = 0; count * PUSH_EVENTS < EVENTS; count++) {
    const records = push();
    batch.clear(records);
    const columns_ns = cost(PUSH_EVENTS, () => decoder.decodeAll(batch, START_MS + 86_400_000, report));
    if (batch.length !== PUSH_EVENTS || rejected > 0) throw new Error('the decoder took not every event');
    const parse_ns = cost(PUSH_EVENTS, () => {
      for (const { buffer, start, end } of records) {
        const text = buffer.toString('utf8', start, end);
        checksum += (JSON.parse(text) as { type: string }).type.length;
      }
    });
    size_bytes = (records.at(-1)?.end ?? 0) / PUSH_EVENTS;
    if (count < WARM_PUSHES) continue;
    columns.push(columns_ns);
    parsing.push(parse_ns);
  }
  if (checksum === 0) throw new Error('nothing was parsed');
  const columns_ns = Math.round(median(columns));
  const parse_ns = Math.round(median(parsing));
  return {
    columns_ns,
    parse_ns,
    ratio: Number((columns_ns / parse_ns).toFixed(2)),
    event_bytes: Math.round(size_bytes),
    machine: machine(),
  };
}
