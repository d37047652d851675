import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats, EventPublisher, jetstream, type NatsLink } from '../../connectors/index.ts';
import type { Builder, Stream, Topology } from '../../engine/index.ts';
import { count, json, streamJoin, toTable, tumbling, watermark, window } from '../../operators/index.ts';
import type { Cause } from '../why/index.ts';
import { type RunningTopology, run } from './run.ts';
import type { RunOptions } from './run-options.ts';

const PATIENCE_MS = 30_000;
const PAUSE_MS = 25;
/** A question is answered in this time. */
const ANSWER_MAX_MS = 2_000;
/** Where an answer takes longer, the machine may have stood still: it is asked again, so often in all. */
const ASKED_MAX = 3;

export const HOUR_MS = 3_600_000;
const T0_MS = Date.UTC(2026, 0, 1);

/** An event of the topologies of these tests. */
export interface Thing {
  readonly id: string;
  readonly at: number;
}

export const thing = (id: string, hours = 0): Thing => ({ id, at: T0_MS + hours * HOUR_MS });
const parse = (value: unknown): Thing => {
  const { id, at } = value as Partial<Thing>;
  if (typeof id !== 'string' || typeof at !== 'number') throw new Error('no id or no time');
  return { id, at };
};
const nodeOf = (stream: string): string => stream.toLowerCase().replaceAll('_', '-');
const subjectsOf = (stream: string): string => `${stream.toLowerCase()}.>`;
/** Events of a stream that is named as the case is. */
export const events = (t: Builder, stream: string, filterBy: readonly string[] = []): Stream<Thing> =>
  t
    .source(
      jetstream(stream, {
        subjects: [subjectsOf(stream)],
        ...(filterBy.length === 0 ? {} : { filter: filterBy }),
      }),
    )
    .pipe(json(`parse-${nodeOf(stream)}`, { parse }));
export const timed = (stream: Stream<Thing>, name = 'time'): Stream<Thing> =>
  stream.pipe(watermark(name, { timeOf: ({ at }) => at, outOfOrderness_ms: 0 }));
export const hourly = (name = 'hourly') =>
  window<Thing, { n: ReturnType<typeof count> }>(name, {
    keyOf: ({ id }) => id,
    timeOf: ({ at }) => at,
    window: tumbling({ size_ms: HOUR_MS }),
    aggregate: { n: count() },
  });
export const table = <T extends Thing>(stream: Stream<T>): unknown =>
  stream.pipe(toTable('kept', { keyOf: ({ id }) => id }));
export const bothOf = () =>
  streamJoin<Thing, Thing, Thing>('both', {
    left: { keyOf: ({ id }) => id },
    right: { keyOf: ({ id }) => id },
    join: (one) => one,
  });

/** Runs topologies on a server, and asks them why. For tests. */
export class WhyBench {
  readonly #url: string;
  readonly #link: NatsLink;
  readonly #apps: RunningTopology[] = [];
  readonly #folders: string[] = [];
  #published = 0;

  static async on(url: string): Promise<WhyBench> {
    return new WhyBench(url, await connectNats({ url, name: 'why-test' }));
  }

  constructor(url: string, link: NatsLink) {
    this.#url = url;
    this.#link = link;
  }

  get link(): NatsLink {
    return this.#link;
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-why-'));
    this.#folders.push(folder);
    return folder;
  }

  async start(topology: Topology, options: Partial<RunOptions> = {}): Promise<RunningTopology> {
    const dataDir = options.dataDir ?? (await this.folder());
    const app = await run(topology, { natsUrl: this.#url, ...options, dataDir });
    this.#apps.push(app);
    return app;
  }

  async publish(subject: string, ...things: readonly (Thing | string)[]): Promise<void> {
    const messages = things.map((thing) => ({
      subject,
      id: `${subject}-${this.#published++}`,
      payload: Buffer.from(typeof thing === 'string' ? thing : JSON.stringify(thing)),
    }));
    await new EventPublisher(this.#link).publishAll(messages);
  }

  /** The cause of this code, as soon as it is named. Throws where an answer takes longer than it may. */
  async named(app: RunningTopology, code: string): Promise<Cause> {
    const until_ms = performance.now() + PATIENCE_MS;
    for (let late = 0; ; ) {
      const asked_ms = performance.now();
      const causes = await app.why();
      const found = causes.find((cause) => cause.code === code);
      const took_ms = performance.now() - asked_ms;
      if (found !== undefined && took_ms <= ANSWER_MAX_MS) return found;
      if (found !== undefined) {
        if (++late === ASKED_MAX) throw new Error(`${code} is named, but the answer took ${took_ms} ms`);
        continue;
      }
      if (performance.now() > until_ms) {
        const { samples, ...facts } = app.facts();
        throw new Error(
          `not named: ${code}; it says ${JSON.stringify(causes)}; ${JSON.stringify(facts)}; ` +
            samples.map(({ name, labels, value }) => `${name}${JSON.stringify(labels)}=${value}`).join(' '),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async stopAll(): Promise<void> {
    for (const app of this.#apps.splice(0)) await app.stop();
    for (const folder of this.#folders.splice(0)) await rm(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.stopAll();
    await this.#link.close();
  }
}
