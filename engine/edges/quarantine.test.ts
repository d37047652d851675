import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { intCodec, ManualClock, MillraceError, SeededRandom, stringKey } from '../base/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { MemoryDisk, mapTable, openTables } from '../state/index.ts';
import { Supervisor, Task } from '../task/index.ts';
import { record } from '../testing/fixture-task.ts';
import type { OutMessage } from './outbox-rows.ts';
import { Quarantine } from './quarantine.ts';
import type { Source, SourceRecord, SourceState, StreamFacts, Take } from './source.ts';

const tables = () => ({ counts: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }) });

/** Counts texts; one that ends in "!" is counted first and throws then, "code" throws an error with a code. */
const count = defineOperator<SourceRecord, string, undefined, ReturnType<typeof tables>>({
  kind: 'count',
  summary: 'Counts texts',
  state: tables,
  start: ({ state, emit }) => ({
    onBatch: (records) => {
      const counts = state.counts.scope('');
      for (const { data } of records) {
        const text = Buffer.from(data).toString();
        const key = text.replace('!', '');
        counts.set(key, (counts.get(key) ?? 0) + 1);
        if (text === 'code') throw new MillraceError('of_the_engine', 'not the fault of a record');
        if (text.endsWith('!')) throw new TypeError(`cannot count ${text}`);
        emit([text]);
      }
    },
  }),
});

/** Moves time with each text and fails in its timer. */
const late = defineOperator<string, string>({
  kind: 'late',
  summary: 'Fails when time moves',
  ownsWatermark: true,
  start: ({ emitWatermark, timers }) => ({
    onBatch: () => {
      timers.set(5, 'key');
      emitWatermark(10);
    },
  }),
});
const failing = defineOperator<string, string>({
  kind: 'failing',
  summary: 'Fails when time moves',
  start: () => ({
    onBatch: () => undefined,
    onWatermark: () => {
      throw new TypeError('no record is to blame');
    },
  }),
});

const counting = topology('counting', (t) => {
  t.source('in').pipe(count('count', undefined));
});

function quarantine(max_in_a_row = 100): Quarantine {
  return new Quarantine({
    letterOf: ({ sequence, data }, { operator, message }) => ({
      id: `letter-${sequence}`,
      subject: 'deadletter.test',
      headers: { operator, message },
      payload: data,
    }),
    max_in_a_row,
  });
}

/** Texts in takes of seeded sizes, every `step`-th of the stream. */
class TextSource implements Source {
  readonly partition = '0';
  readonly #texts: readonly string[];
  readonly #random: SeededRandom;
  readonly #step: number;
  #given = 0;

  constructor(texts: readonly string[], random: SeededRandom, step: number) {
    this.#texts = texts;
    this.#random = random;
    this.#step = step;
  }

  facts(): Promise<StreamFacts> {
    const lastSequence = this.#texts.length * this.#step;
    return Promise.resolve({ stream: 'IN', incarnation: 'i', firstSequence: 1, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#given = Math.floor(after / this.#step);
    return Promise.resolve();
  }

  take({ max }: Take): Promise<readonly SourceRecord[]> {
    const first = this.#given;
    const count = Math.min(max, this.#random.int(0, 20));
    const texts = this.#texts.slice(first, first + count);
    this.#given += texts.length;
    return Promise.resolve(texts.map((text, index) => record((first + index + 1) * this.#step, text)));
  }

  get readToEnd(): boolean {
    return this.#given === this.#texts.length;
  }

  /** Up to just before the next one. */
  passed(): number {
    return (this.#given + 1) * this.#step - 1;
  }

  state(): SourceState {
    return {
      headSequence: this.#texts.length * this.#step,
      caughtUp: this.readToEnd,
      connected: true,
      skipped: 0,
    };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

class Rig {
  readonly disk = new MemoryDisk();
  readonly sent: OutMessage[] = [];
  readonly errors: string[] = [];
  readonly quarantine: Quarantine;
  readonly #random: SeededRandom;
  readonly #texts: readonly string[];
  readonly #topology: typeof counting;
  tasks = 0;

  readonly #step: number;

  constructor(texts: readonly string[], seed: number, held = quarantine(), of = counting, step = 1) {
    this.#step = step;
    this.quarantine = held;
    this.#topology = of;
    this.#random = new SeededRandom(seed);
    this.#texts = texts;
  }

  /** One life of a task: true when it has come to the end of the stream. */
  async live(held: Quarantine | undefined): Promise<void> {
    this.tasks++;
    const clock = new ManualClock(0);
    const source = new TextSource(this.#texts, this.#random, this.#step);
    const task = new Task({
      topology: this.#topology,
      source,
      store: this.disk.open(),
      publisher: {
        publish: (message) => Promise.resolve(void this.sent.push(message)),
        maxInFlight: () => Number.POSITIVE_INFINITY,
      },
      clock,
      limits: { barrier_max_events: 30 },
      ...(held === undefined ? {} : { quarantine: held }),
    });
    try {
      await task.open();
      while (!source.readToEnd) await task.step(0);
      task.commit();
    } finally {
      task.close();
    }
  }

  /** As the supervisor does it. */
  async supervised(): Promise<string> {
    let done = (_: string): void => undefined;
    const ended = new Promise<string>((resolve) => {
      done = resolve;
    });
    const supervisor = new Supervisor({
      spawn: (running) => {
        running();
        const work = this.live(this.quarantine);
        work.then(
          () => done('read to the end'),
          () => undefined,
        );
        return { ended: work, stop: () => undefined };
      },
      clock: new ManualClock(0),
      onChange: (state, error) => {
        if (error !== undefined) this.errors.push(error.code);
        if (state === 'failed') done(`failed: ${error?.code}: ${error?.message}`);
      },
    });
    supervisor.start();
    return await ended;
  }

  counts(): Record<string, number> {
    const { counts } = openTables(this.disk.open(), 'count', tables());
    return Object.fromEntries(counts.scope('').entries());
  }
}

describe('records that fail', () => {
  it('become dead letters, and the others are processed exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c', 'a!', 'd!'), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.constantFrom(1, 3),
        async (texts, seed, step) => {
          const rig = new Rig(texts, seed, quarantine(), counting, step);
          expect(await rig.supervised()).toBe('read to the end');
          const good = texts.filter((text) => !text.endsWith('!'));
          const wanted: Record<string, number> = {};
          for (const text of good) wanted[text] = (wanted[text] ?? 0) + 1;
          expect(rig.counts()).toEqual(wanted);
          const bad = texts.flatMap((text, index) =>
            text.endsWith('!') ? [`letter-${(index + 1) * step}`] : [],
          );
          expect([...new Set(rig.sent.map(({ id }) => id))].sort()).toEqual(bad.sort());
          // Two starts at most for each, and the last one.
          expect(rig.tasks).toBeLessThanOrEqual(2 * bad.length + 1);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('say which operator threw what', async () => {
    const rig = new Rig(['a', 'a!', 'b'], 1);
    await rig.supervised();
    expect(rig.sent.map(({ headers }) => headers)).toEqual([
      { operator: 'count', message: 'cannot count a!' },
    ]);
  });

  it('stop the task where nobody asked for it', async () => {
    await expect(new Rig(['a', 'a!'], 1).live(undefined)).rejects.toThrow('cannot count a!');
  });

  it('are found again by a new process, as the same dead letters', async () => {
    const rig = new Rig(['a', 'a!', 'b'], 1);
    await rig.supervised();
    const [first] = rig.sent;
    const other = new Rig(['a', 'a!', 'b'], 2);
    await other.supervised();
    expect(other.sent).toEqual([first]);
  });

  it('stop the task when they do not end: the fault is the operator’s', async () => {
    const rig = new Rig(['a', ...Array.from({ length: 20 }, () => 'x!')], 3, quarantine(5));
    expect(await rig.supervised()).toMatch(/^failed: too_many_failing_records: 6 records of "in" up to 7/);
  });

  it('are counted in a row where the source gives only some of its stream', async () => {
    const bad = Array.from({ length: 20 }, () => 'x!');
    const rig = new Rig(['a', ...bad], 3, quarantine(5), counting, 3);
    expect(await rig.supervised()).toMatch(/^failed: too_many_failing_records: 6 records of "in" up to 21/);
    const between = new Rig(
      bad.flatMap((text) => [text, 'a']),
      3,
      quarantine(5),
      counting,
      3,
    );
    expect(await between.supervised()).toBe('read to the end');
    expect(between.counts()).toEqual({ a: 20 });
  });
});

describe('what is no record’s fault', () => {
  it('stops the task: an error with a code', async () => {
    const rig = new Rig(['a', 'code', 'b'], 1);
    expect(await rig.supervised()).toBe('failed: of_the_engine: not the fault of a record');
    expect(rig.sent).toEqual([]);
  });

  it('stops the task: what is thrown when time moves, though a record moved it', async () => {
    const timed = topology('timed', (t) => {
      t.source('in').pipe(count('count', undefined), late('late', undefined), failing('failing', undefined));
    });
    const rig = new Rig(['a', 'b'], 1, quarantine(), timed);
    expect(await rig.supervised()).toBe('failed: internal: no record is to blame');
    expect(rig.sent).toEqual([]);
  });
});
