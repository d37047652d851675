import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink, openManager } from '../client/index.ts';
import { JetStreamSource, type JetStreamSourceOptions } from './jetstream-source.ts';

/** A server, a connection to it, and what a test of a source does with them. */
export class SourceFixture {
  readonly nats: TestNats;
  readonly link: NatsLink;
  readonly manager: JetStreamManager;
  readonly #sources: JetStreamSource[] = [];
  #streams = 0;

  private constructor(nats: TestNats, link: NatsLink, manager: JetStreamManager) {
    this.nats = nats;
    this.link = link;
    this.manager = manager;
  }

  static async start(): Promise<SourceFixture> {
    const nats = await startTestNats();
    const link = await connectNats({ url: nats.url, name: 'test' });
    return new SourceFixture(nats, link, await openManager(link));
  }

  /** A stream of its own for a test: `S<n>` on `s<n>.>`. */
  async newStream(): Promise<{ stream: string; subject: string }> {
    const n = ++this.#streams;
    await this.manager.streams.add({ name: `S${n}`, subjects: [`s${n}.>`] });
    return { stream: `S${n}`, subject: `s${n}.a` };
  }

  open(options: Omit<JetStreamSourceOptions, 'link'> & { readonly link?: NatsLink }): JetStreamSource {
    const source = new JetStreamSource({ link: this.link, ...options });
    this.#sources.push(source);
    return source;
  }

  /** Publishes `0`, `1`, … and lastly `last`: `count` messages. Resolves when the stream has all. */
  async fill(subject: string, count: number): Promise<void> {
    const { connection } = this.link;
    for (let i = 0; i < count - 1; i++) {
      connection.publish(subject, String(i));
      if (i % 2_000 === 1_999) await connection.flush();
    }
    await jetstream(connection).publish(subject, 'last');
  }

  async publish(subject: string, payload: Uint8Array | string): Promise<void> {
    await jetstream(this.link.connection).publish(subject, payload);
  }

  async stopSources(): Promise<void> {
    await Promise.all(this.#sources.splice(0).map((source) => source.stop()));
  }

  async stop(): Promise<void> {
    await this.link.close();
    await this.nats.stop();
  }
}

export const text = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

export interface ReadOptions {
  readonly max?: () => number;
  readonly after?: number;
  readonly onTake?: (sequence: number) => Promise<void> | void;
}

/** Takes until `last` was taken, and returns every sequence as it came. */
export async function readTo(
  source: JetStreamSource,
  last: number,
  options: ReadOptions = {},
): Promise<number[]> {
  const sequences: number[] = [];
  const deadline_ms = performance.now() + 120_000;
  while ((sequences.at(-1) ?? options.after ?? 0) < last) {
    if (performance.now() > deadline_ms) throw new Error(`Only ${sequences.length} records came`);
    const max = options.max?.() ?? 1_000;
    const records = await source.take({ max, wait_ms: 200 });
    if (records.length > max) throw new Error(`${records.length} records instead of ${max}`);
    for (const { sequence } of records) sequences.push(sequence);
    await options.onTake?.(sequences.at(-1) ?? 0);
  }
  return sequences;
}

/** Takes for at most 60 s. */
export async function takeForLong(source: JetStreamSource): Promise<void> {
  for (let i = 0; i < 600; i++) await source.take({ max: 10, wait_ms: 100 });
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline_ms = performance.now() + 60_000; !condition(); await sleep(20)) {
    if (performance.now() > deadline_ms) throw new Error(`It did not happen: ${what}`);
  }
}
