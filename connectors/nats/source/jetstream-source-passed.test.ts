import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MillraceError, SeededRandom, type Source } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, covers, type NatsLink, openManager } from '../client/index.ts';
import { type Deed, nextDeed, PassedModel } from './fixture-passed.ts';
import { JetStreamSource } from './jetstream-source.ts';
import { DEFAULT_PULL_LIMITS, type PullLimits } from './pull-limits.ts';
import { ThreadedSource } from './threaded-source.ts';

const STREAM = 'HOSTILE';
const SUBJECTS = ['h.a.1', 'h.a.2', 'h.b.1', 'h.b.2', 'h.c'];
/** What purges are of: a subject, some that cover a filter, some that lie across it. */
const PURGES = [...SUBJECTS, 'h.a.*', 'h.b.>', 'h.*.1', 'h.>'];
const FILTERS: readonly (readonly string[])[] = [
  [],
  ['h.a.1'],
  ['h.a.*'],
  ['h.a.1', 'h.b.2'],
  ['h.*.1', 'h.c'],
  ['h.>'],
];
const END_TIMEOUT_MS = 30_000;
const REMOVED = 'position_before_stream';

interface World {
  readonly seed: number;
  readonly filter: readonly string[];
  readonly kills: number;
  readonly deeds: number;
  readonly isThreaded: boolean;
  readonly limits?: Partial<PullLimits>;
  readonly max_msgs?: number;
  readonly max_msgs_per_subject?: number;
  readonly max_age_ms?: number;
}

let nats: TestNats;
let link: NatsLink;

beforeEach(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});

afterEach(async () => {
  await link.close();
  await nats.stop();
});

/** A stream with those who publish and remove, and a reader that is begun again and again. */
class Hostile {
  readonly model: PassedModel;
  readonly #world: World;
  readonly #deeds: SeededRandom;
  readonly #takes: SeededRandom;
  #kills: number;
  #isOver = false;
  #reads: () => void = () => undefined;
  readonly #isReading = new Promise<void>((resolve) => {
    this.#reads = resolve;
  });
  #published = 0;
  readonly counts: Record<string, number> = {};

  constructor(world: World) {
    const { seed, filter, kills, max_age_ms } = world;
    this.#world = world;
    this.#deeds = new SeededRandom(seed);
    this.#takes = new SeededRandom(~seed);
    this.#kills = kills;
    this.model = new PassedModel({
      isWanted: (subject) => filter.length === 0 || filter.some((each) => covers(each, subject)),
      // The server looks at ages a little late; a message is old from when it was sent.
      ...(max_age_ms === undefined ? {} : { max_age_ms: max_age_ms - 200 }),
    });
  }

  async run(): Promise<void> {
    const { max_msgs = -1, max_msgs_per_subject = -1, max_age_ms = 0 } = this.#world;
    const manager = await openManager(link);
    const limits = { max_msgs, max_msgs_per_subject, max_age: max_age_ms * 1e6 };
    await manager.streams.add({ name: STREAM, subjects: ['h.>'], ...limits });
    await Promise.all([this.#act(), this.#read()]);
  }

  async #act(): Promise<void> {
    try {
      await this.#isReading;
      for (let n = 0; n < this.#world.deeds; n++) {
        const deed = nextDeed(this.#deeds, this.model, { subjects: SUBJECTS, filters: PURGES }, this.#kills);
        this.counts[deed.kind] = (this.counts[deed.kind] ?? 0) + 1;
        await this.#do(deed);
      }
    } finally {
      this.#isOver = true;
    }
  }

  async #do(deed: Deed): Promise<void> {
    const manager = await openManager(link);
    if (deed.kind === 'publish') await this.#publish(deed.subjects, deed.size_bytes);
    else if (deed.kind === 'wait') await sleep(deed.ms);
    else if (deed.kind === 'delete') {
      this.model.removing((sequence) => deed.sequences.includes(sequence));
      // Some are gone already.
      for (const sequence of deed.sequences) {
        await manager.streams.deleteMessage(STREAM, sequence).catch(() => false);
      }
    } else if (deed.kind === 'purge') await this.#purge(deed);
    else if (deed.kind === 'deleteConsumers') {
      for await (const { name } of manager.consumers.list(STREAM)) {
        await manager.consumers.delete(STREAM, name).catch(() => false);
      }
    } else await this.#kill();
  }

  /** As many at once as remove nothing of themselves. */
  async #publish(subjects: readonly string[], size_bytes: number): Promise<void> {
    const { max_msgs = subjects.length, max_msgs_per_subject = max_msgs } = this.#world;
    for (let at = 0; at < subjects.length; at += max_msgs_per_subject) {
      await this.#publishSome(subjects.slice(at, at + max_msgs_per_subject), size_bytes);
    }
  }

  async #publishSome(subjects: readonly string[], size_bytes: number): Promise<void> {
    this.#limit(subjects);
    const client = jetstream(link.connection);
    const first = this.#published;
    this.#published += subjects.length;
    await Promise.all(
      subjects.map(async (subject, index) => {
        const payload = Buffer.alloc(size_bytes, subject);
        const { seq } = await client.publish(subject, payload, { msgID: String(first + index) });
        this.model.published(seq, subject);
      }),
    );
  }

  /** What the stream's limits may remove when `next` come. */
  #limit(next: readonly string[]): void {
    const { max_msgs = Number.POSITIVE_INFINITY, max_msgs_per_subject = Number.POSITIVE_INFINITY } =
      this.#world;
    const over = (alive: readonly number[], more: number, max: number): readonly number[] =>
      alive.slice(0, Math.max(0, alive.length + more - max));
    const gone = new Set(
      over(
        this.model.alive(() => true),
        next.length,
        max_msgs,
      ),
    );
    for (const subject of SUBJECTS) {
      const more = next.filter((each) => each === subject).length;
      const alive = this.model.alive((each) => each === subject);
      for (const sequence of over(alive, more, max_msgs_per_subject)) gone.add(sequence);
    }
    if (gone.size > 0) this.model.removing((sequence) => gone.has(sequence));
  }

  async #purge({ filter, sequence, keep }: Extract<Deed, { kind: 'purge' }>): Promise<void> {
    const isOf = (subject: string): boolean => filter === undefined || covers(filter, subject);
    const kept = new Set(keep === undefined ? [] : this.model.alive(isOf).slice(-keep));
    this.model.removing(
      (each, subject) => isOf(subject) && !kept.has(each) && (sequence === undefined || each < sequence),
    );
    const by = {
      ...(filter === undefined ? {} : { filter }),
      ...(keep === undefined ? (sequence === undefined ? {} : { seq: sequence }) : { keep }),
    };
    await (await openManager(link)).streams.purge(STREAM, by as { filter: string });
  }

  async #kill(): Promise<void> {
    this.#kills--;
    const { port, storeDir } = nats;
    await nats.kill();
    nats = await startTestNats({ port, storeDir });
    for (;;) {
      const isBack = await openManager(link)
        .then(
          (manager) => manager.streams.info(STREAM).then(Boolean),
          () => false,
        )
        .catch(() => false);
      if (isBack) return;
      await sleep(20);
    }
  }

  #open(): Source {
    const { filter, isThreaded } = this.#world;
    if (isThreaded) return new ThreadedSource({ url: nats.url, stream: STREAM, filter_subjects: filter });
    const messages = this.#takes.int(1, 12);
    const limits: PullLimits = {
      ...DEFAULT_PULL_LIMITS,
      buffer_max_messages: messages * this.#takes.int(1, 3),
      pull_max_messages: messages,
      pull_max_bytes: 1_200_000,
      buffer_max_bytes: this.#takes.pick([1_200_000, 4_000_000]),
      pull_expires_ms: this.#takes.pick([300, 2_000]),
      idle_heartbeat_ms: this.#takes.pick([20, 100]),
      ...this.#world.limits,
    };
    return new JetStreamSource({ link, stream: STREAM, filter_subjects: filter, limits });
  }

  async #read(): Promise<void> {
    let committed = 0;
    while (!(await this.#isAtEnd())) {
      const source = this.#open();
      try {
        const { firstSequence } = await source.facts();
        // As the operator does who accepts that what was not read is gone.
        this.model.passesTo(firstSequence - 1);
        await source.start(this.model.position);
        this.#reads();
        while (!(this.#takes.chance(0.01) || (await this.#isAtEnd()))) {
          await this.#take(source);
          if (this.#takes.chance(0.2)) committed = this.model.position;
        }
      } catch (error) {
        // A supervisor would begin again after these, and an operator after the last.
        const mayPass = error instanceof MillraceError && (error.retriable || error.code === REMOVED);
        if (!mayPass) throw error;
        this.counts.error = (this.counts.error ?? 0) + 1;
      } finally {
        await source.stop();
      }
      if (this.#takes.chance(0.5)) this.model.rollBack(committed);
      else committed = this.model.position;
    }
  }

  async #take(source: Source): Promise<void> {
    const random = this.#takes;
    const max = random.pick([1, 2, 10, 100]);
    const records = await source.take({ max, wait_ms: random.pick([0, 1, 20, 60]) });
    expect(records.length).toBeLessThanOrEqual(max);
    for (const { sequence, subject, data } of records) {
      expect(Buffer.from(data.subarray(0, 8)).toString()).toBe(Buffer.alloc(8, subject).toString());
      this.model.gives(sequence);
    }
    this.model.passesTo(source.passed?.() ?? 0);
    if (random.chance(0.1)) await sleep(random.int(0, 40));
  }

  /** Of all that was published, once no more comes. */
  #end: number | undefined;
  #until_ms = 0;
  async #isAtEnd(): Promise<boolean> {
    if (!this.#isOver) return false;
    if (this.#end === undefined) {
      this.#end = (await (await openManager(link)).streams.info(STREAM)).state.last_seq;
      this.#until_ms = performance.now() + END_TIMEOUT_MS;
    }
    if (this.model.position >= this.#end) return true;
    if (performance.now() < this.#until_ms) return false;
    throw new Error(`The position stays at ${this.model.position} of ${this.#end}`);
  }
}

/** For a longer search: `HOSTILE_SEED` is the first seed, `HOSTILE_RUNS` how many. */
const RUNS = Number(process.env.HOSTILE_RUNS ?? 1);
const FROM = Number(process.env.HOSTILE_SEED ?? 1);

const seedsOf = (worlds: readonly Omit<World, 'seed'>[]): readonly World[] =>
  worlds.flatMap((world) => Array.from({ length: RUNS }, (_, index) => ({ ...world, seed: FROM + index })));

async function hold(world: World): Promise<void> {
  const hostile = new Hostile(world);
  await hostile.run();
  expect(hostile.model.gave).toBeGreaterThan(0);
}

const calm = { kills: 0, deeds: 80, isThreaded: false };

describe('a source among purges and removals', () => {
  it.each(seedsOf(FILTERS.map((filter) => ({ ...calm, filter }))))('filter $filter, seed $seed', hold);

  it.each(
    seedsOf([
      { ...calm, filter: ['h.a.1', 'h.b.2'], max_msgs: 25 },
      { ...calm, filter: [], max_msgs_per_subject: 4 },
      { ...calm, filter: ['h.a.*'], max_age_ms: 400 },
    ]),
  )('limits $max_msgs $max_msgs_per_subject $max_age_ms, seed $seed', hold);

  it.each(seedsOf([{ ...calm, filter: ['h.a.1', 'h.b.2'], isThreaded: true }]))(
    'in a thread of its own, seed $seed',
    hold,
  );

  it.each(seedsOf([{ ...calm, filter: ['h.a.*'], kills: 2 }]))(
    'with a server that is killed, seed $seed',
    hold,
  );
});
