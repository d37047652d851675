import { ColumnDecoder, EventBatch } from '../analytics/events/index.ts';
import type { SourceRecord } from '../engine/index.ts';
import { Dictionary } from '../engine/log/index.ts';
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

/** Fills the memory that two threads share with one push, as the source's ring lies there. */
function pushes(next: () => string): () => { records: SourceRecord[]; texts: string[]; bytes: Buffer } {
  const bytes = Buffer.from(new SharedArrayBuffer(BUFFER_BYTES));
  let sequence = 0;
  return () => {
    let at = 0;
    const records: SourceRecord[] = [];
    const texts: string[] = [];
    for (let count = 0; count < PUSH_EVENTS; count++) {
      const text = next();
      const start = at;
      at += bytes.write(text, at);
      const end = at;
      texts.push(text);
      records.push({
        sequence: ++sequence,
        subject: 'events.default.orders',
        region: { buffer: bytes, start, end },
        get data() {
          return bytes.subarray(start, end);
        },
        hasHeaders: false,
        header: () => undefined,
      });
    }
    return { records, texts, bytes };
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
    const { records, bytes, texts } = push();
    batch.clear(records);
    const columns_ns = cost(PUSH_EVENTS, () => decoder.decodeAll(batch, START_MS + 86_400_000, report));
    if (batch.length !== PUSH_EVENTS || rejected > 0) throw new Error('the decoder took not every event');
    const parse_ns = cost(PUSH_EVENTS, () => {
      for (const { region } of records) {
        const text = bytes.toString('utf8', region?.start, region?.end);
        checksum += (JSON.parse(text) as { type: string }).type.length;
      }
    });
    size_bytes = texts.reduce((sum, text) => sum + text.length, 0) / PUSH_EVENTS;
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
