import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { Frame } from './frame.ts';
import { NatsRecord } from './record.ts';
import { newRing, RING_BYTES, RingReader, RingWriter } from './record-ring.ts';

const idOf = (block: string): string | undefined => (block === '' ? undefined : 'Café');
const state = { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };

/** A thread runs JavaScript only: the built files, which `npm test` makes first. */
const built = (name: string): string =>
  new URL(`../../../dist/connectors/nats/source/${name}.js`, import.meta.url).href;

/** Writes and shows one record after the other, each with the word that all up to it have come. */
const WRITER = `
const { workerData } = require('node:worker_threads');
(async () => {
  const { RingWriter } = await import(workerData.ring_url);
  const { NatsRecord } = await import(workerData.record_url);
  const writer = new RingWriter(workerData.ring);
  const state = { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  for (let sequence = 1; sequence <= workerData.count; sequence++) {
    // Every third is not the source's: it is only passed.
    const record = new NatsRecord(sequence, 's', new Uint8Array(8), 0);
    while (sequence % 3 !== 0 && !writer.write(record)) await writer.room(10);
    writer.publish(state, sequence);
  }
})();
`;

/** A message as it lies in what a socket gave. */
function frameOf(subject: string, block: string, data: string): Frame {
  const frame = new Frame();
  frame.bytes = Buffer.from(`MSG ${subject} 3 r 9\r\n${block}${data}\r\n`);
  frame.subjectStart = 4;
  frame.subjectEnd = 4 + Buffer.byteLength(subject);
  frame.dataEnd = frame.bytes.length - 2;
  frame.dataStart = frame.dataEnd - Buffer.byteLength(data);
  frame.blockStart = frame.dataStart - Buffer.byteLength(block);
  return frame;
}

describe('a ring between threads', () => {
  it('gives the same of a record and of a frame, until it is full', () => {
    const block = 'NATS/1.0\r\nce-id: Café\r\n\r\n';
    const values = fc.record({
      subject: fc.constantFrom('a', 'é.b', 'a.c'),
      block: fc.constantFrom('', block),
      data: fc.oneof(fc.constantFrom('', 'é', 'x'.repeat(RING_BYTES / 5)), fc.json()),
    });
    fc.assert(
      fc.property(fc.array(values, { maxLength: 12 }), (messages) => {
        const rings = [newRing(), newRing()];
        const [byRecord, byFrame] = rings.map((ring) => new RingWriter(ring));
        const frames = messages.map((message) => frameOf(message.subject, message.block, message.data));
        // One way and the other in turn, in the second: as where some had to wait.
        const wrote = frames.map((frame, at) => {
          const record = frame.toRecord(at + 1, 1_000 + at);
          const isFrame = at % 3 !== 2;
          return [
            byRecord?.write(record),
            isFrame ? byFrame?.writeFrame(at + 1, 1_000 + at, frame) : byFrame?.write(record),
          ];
        });
        for (const [first, second] of wrote) expect(second).toBe(first);
        byRecord?.publish(state);
        byFrame?.publish(state);
        const [one, other] = rings.map((ring) => {
          const records = new RingReader(ring).take(100);
          return records.map(({ sequence, stored_ms, subject, data, header }, at) => ({
            ...{ sequence, stored_ms, subject, data: Buffer.from(data).toString() },
            id: header.call(records[at], 'CE-ID'),
          }));
        });
        expect(other).toEqual(one);
        expect(one).toEqual(
          messages
            .map(({ subject, block, data }, at) => ({
              ...{ sequence: at + 1, stored_ms: 1_000 + at, subject, data },
              id: idOf(block),
            }))
            .filter((_, at) => wrote[at]?.[0]),
        );
      }),
      { numRuns: 20 },
    );
  });

  it('never says that a record was passed which is still to come', async () => {
    let moves = 0;
    // How often a round sees it move is a matter of the machine.
    for (let round = 0; moves <= 10 && round < 30; round++) moves += await movesOfRound();
    expect(moves).toBeGreaterThan(10);
  });

  /** Reads what a thread writes meanwhile, and how often what was passed moves while nothing is there to be taken. */
  async function movesOfRound(): Promise<number> {
    const ring = newRing();
    const count = 300_000;
    const workerData = { ring, count, ring_url: built('record-ring'), record_url: built('record') };
    const worker = new Worker(WRITER, { eval: true, workerData });
    const reader = new RingReader(ring);
    let [last, passed, moves] = [0, 0, 0];
    const until_ms = performance.now() + 60_000;
    while (passed < count) {
      if (performance.now() > until_ms) throw new Error(`Nothing comes after ${passed}`);
      const records = reader.take(5);
      for (const { sequence } of records) {
        if (sequence <= passed) throw new Error(`${sequence} came after ${passed} was passed`);
        if (sequence !== last + 1 && sequence !== last + 2) throw new Error(`${sequence} follows ${last}`);
        last = sequence;
      }
      if (records.length > 0) continue;
      const now = reader.passed() ?? passed;
      if (now > passed) moves++;
      passed = Math.max(passed, now);
      if (moves % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(last).toBe(count - 1);
    await worker.terminate();
    return moves;
  }

  it('says nothing of what was passed as long as a record waits to be taken or written', () => {
    const ring = newRing();
    const [writer, reader] = [new RingWriter(ring), new RingReader(ring)];
    const size_bytes = RING_BYTES / 4;
    const records = [1, 2, 3, 4, 5].map((n) => new NatsRecord(n, 's', new Uint8Array(size_bytes), 0));
    const written = records.findIndex((record) => !writer.write(record));
    expect(written).toBe(3);
    // As the reading thread does while it holds records that did not fit.
    writer.publish(state);
    expect(reader.passed()).toBeUndefined();
    expect(reader.take(10).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(reader.passed()).toBe(0);
    expect(reader.take(10)).toEqual([]);
    expect(records.slice(written).map((record) => writer.write(record))).toEqual([true, true]);
    writer.publish(state, 9);
    expect(reader.passed()).toBeUndefined();
    expect(reader.state().caughtUp).toBe(false);
    expect(reader.take(1).map(({ sequence }) => sequence)).toEqual([4]);
    expect(reader.passed()).toBeUndefined();
    expect(reader.take(2).map(({ sequence }) => sequence)).toEqual([5]);
    expect(reader.passed()).toBe(9);
    expect(reader.state().caughtUp).toBe(true);
  });
});
