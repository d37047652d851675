import { DiscardPolicy } from '@nats-io/jetstream';
import { afterAll, expect, it } from 'vitest';
import {
  AUDIT_STREAM,
  connectNats,
  EventPublisher,
  jetstream,
  type NatsLink,
  NOTICES_STREAM,
  openManager,
  openMessageQueue,
  SINKS_STREAM,
} from '../connectors/index.ts';
import { topology } from '../engine/index.ts';
import { json, subjectOf, toJetStream, toTable } from '../operators/index.ts';
import { type RunningTopology, type RunOptions, run } from '../runtime/index.ts';
import { configured } from './configured-nats.ts';
import { until } from './process.ts';
import { fc } from './property.ts';
import { Scratch } from './scratch.ts';

const TIMEOUT_MS = 240_000;
const PATIENCE_MS = 60_000;

interface Row {
  readonly id: string;
  readonly key: string;
  readonly text: string;
}

const scratch = new Scratch();
afterAll(() => scratch.clean());

/** Sends each row on, twice as long: what fits into a message of the source may not fit into one of the sink. */
const doubling = topology('doubling', (t) => {
  t.source(jetstream('IN', { subjects: ['in.>'] })).pipe(
    json('parse', { parse: (value) => value as Row }),
    toJetStream('out', {
      subject: subjectOf`out.${({ key }: Row) => key}`,
      encode: ({ id, text }) => JSON.stringify({ id, text: text + text }),
    }),
  );
});

const reading = (name: string, ...streams: string[]) =>
  topology(name, (t) => {
    for (const stream of streams) {
      t.source(jetstream(stream, { subjects: [`${stream.toLowerCase()}.>`] })).pipe(
        json(`${stream.toLowerCase()}-parse`, { parse: (value) => value as Row }),
        toTable(`${stream.toLowerCase()}-rows`, { keyOf: ({ id }) => id }),
      );
    }
  });

const countOf = (app: RunningTopology, name: string): number =>
  app
    .metrics()
    .filter((sample) => sample.name === name)
    .reduce((sum, { value }) => sum + value, 0);

const causesOf = async (app: RunningTopology): Promise<string> =>
  (await app.why()).map(({ code, sentence }) => `${code}: ${sentence}`).join('\n');

/** Topologies on one server, which end with it. */
async function on<T>(
  url: string,
  work: (
    start: (of: typeof doubling, options?: Partial<RunOptions>) => Promise<RunningTopology>,
  ) => Promise<T>,
): Promise<T> {
  const scratch = new Scratch();
  const apps: RunningTopology[] = [];
  try {
    return await work(async (of, options = {}) => {
      const dataDir = options.dataDir ?? (await scratch.dir('small-servers'));
      const app = await run(of, { natsUrl: url, ...options, dataDir });
      apps.push(app);
      return app;
    });
  } finally {
    for (const app of apps) await app.stop();
  }
}

/** Takes what lies in a stream out of it, so that there is room for more; what it took goes to `taken`. */
async function drain(
  link: NatsLink,
  stream: string,
  taken: { subject: string; id: string }[],
): Promise<void> {
  const manager = await openManager(link);
  const { state } = await manager.streams.info(stream);
  for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq });
    if (message !== null) taken.push({ subject: message.subject, id: message.json<Row>().id });
  }
  if (state.messages > 0) await manager.streams.purge(stream, { seq: state.last_seq + 1 });
}

/** A server, a stream that is nearly always full, and what is published: rows of three keys, and rubbish. */
const worlds = fc.record({
  max_payload: fc.integer({ min: 1_500, max: 4_000 }),
  room: fc.constantFrom({ max_msgs: 3 }, { max_msgs: 5 }, { max_bytes: 9_000 }),
  consumers: fc.constantFrom(
    { max_consumers: 1 },
    { consumer_limits: { max_ack_pending: 1 } },
    { consumer_limits: { inactive_threshold: 2e9 } },
  ),
  sizes: fc.array(fc.double({ min: 0, max: 0.85, noNaN: true }), { minLength: 8, maxLength: 12 }),
});

it('a topology is exact on a server of small limits, with an output that is always full, and a restart', {
  timeout: TIMEOUT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async ({ max_payload, room, consumers, sizes }) => {
      const url = await configured(`max_payload: ${max_payload}\nmax_connections: 4`, 'max_file_store: 64MB');
      const link = await connectNats({ url, name: 'small-servers' });
      const manager = await openManager(link);
      await manager.streams.add({ name: 'IN', subjects: ['in.>'], ...consumers });
      await manager.streams.add({ name: 'OUT', subjects: ['out.>'], discard: DiscardPolicy.New, ...room });
      const rows = sizes.map((share, at): Row => {
        return { id: `r${at}`, key: `k${at % 3}`, text: 'x'.repeat(Math.floor(share * (max_payload - 200))) };
      });
      // What the headers of a dead letter leave no room for is cut.
      const rubbish = Buffer.from('y'.repeat(max_payload - 100));
      const fits = ({ text }: Row): boolean => 2 * text.length + 300 < max_payload;
      const isTooLarge = ({ text }: Row): boolean => 2 * text.length > max_payload;
      // Between the two it is a matter of headers.
      const sent = rows.filter((row) => fits(row) || isTooLarge(row));
      const messages = sent.map((row) => Buffer.from(JSON.stringify(row)));
      const half = Math.ceil(messages.length / 2);
      const publisher = new EventPublisher(link);
      const publish = (of: readonly Buffer[]) =>
        publisher.publishAll(of.map((payload, at) => ({ subject: `in.${at}`, payload })));
      const taken: { subject: string; id: string }[] = [];
      await on(url, async (start) => {
        const dataDir = await scratch.dir('small-servers');
        const first = await start(doubling, { dataDir });
        await publish([...messages.slice(0, half), rubbish]);
        await first.caughtUp(PATIENCE_MS);
        await drain(link, 'OUT', taken);
        await first.stop();
        const second = await start(doubling, { dataDir });
        await publish(messages.slice(half));
        await second.caughtUp(PATIENCE_MS);
        await until(
          async () => {
            await drain(link, 'OUT', taken);
            return countOf(second, 'millrace.outbox.owed') === 0 ? true : undefined;
          },
          () => `all is sent; taken are ${JSON.stringify(taken)}`,
          PATIENCE_MS,
        );
        await drain(link, 'OUT', taken);
      });
      const of = (key: string): string[] =>
        sent.filter((row) => row.key === key && fits(row)).map(({ id }) => id);
      for (const key of ['k0', 'k1', 'k2']) {
        expect(taken.filter(({ subject }) => subject === `out.${key}`).map(({ id }) => id)).toEqual(of(key));
      }
      const letters = await manager.streams.info('DEADLETTER');
      expect(letters.state.messages).toBe(1);
      await link.close();
    }),
    { numRuns: 3 },
  );
});

it('two instances side by side store each result once, in order, into an output that is always full', {
  timeout: TIMEOUT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(worlds, fc.array(fc.boolean(), { maxLength: 4 }), async ({ room, sizes }, restarts) => {
      const url = await configured('max_connections: 6', 'max_file_store: 64MB');
      const link = await connectNats({ url, name: 'small-servers' });
      const manager = await openManager(link);
      await manager.streams.add({ name: 'OUT', subjects: ['out.>'], discard: DiscardPolicy.New, ...room });
      const rows = sizes.map((share, at): Row => {
        return { id: `r${at}`, key: `k${at % 3}`, text: 'x'.repeat(Math.floor(share * 500)) };
      });
      const taken: { subject: string; id: string }[] = [];
      await on(url, async (start) => {
        const dataDirs = [await scratch.dir('small-servers'), await scratch.dir('small-servers')];
        const apps = await Promise.all(dataDirs.map((dataDir) => start(doubling, { dataDir })));
        const publisher = new EventPublisher(link);
        for (const [at, row] of rows.entries()) {
          await publisher.publishAll([{ subject: `in.${at}`, payload: Buffer.from(JSON.stringify(row)) }]);
          const turn = restarts[at];
          if (turn === undefined) continue;
          const which = turn ? 1 : 0;
          await apps[which]?.stop();
          apps[which] = await start(doubling, { dataDir: dataDirs[which] ?? '' });
        }
        for (const app of apps) await app.caughtUp(PATIENCE_MS);
        await until(
          async () => {
            await drain(link, 'OUT', taken);
            return apps.every((app) => countOf(app, 'millrace.outbox.owed') === 0) ? true : undefined;
          },
          () => `all is sent; taken are ${JSON.stringify(taken)}`,
          PATIENCE_MS,
        );
        await drain(link, 'OUT', taken);
      });
      for (const key of ['k0', 'k1', 'k2']) {
        const wanted = rows.filter((row) => row.key === key).map(({ id }) => id);
        expect(taken.filter(({ subject }) => subject === `out.${key}`).map(({ id }) => id)).toEqual(wanted);
      }
      await link.close();
    }),
    { numRuns: 2 },
  );
});

it('a second reader of a stream of one consumer waits with a reason, and reads when the first has ended', {
  timeout: TIMEOUT_MS,
}, async () => {
  const url = await configured('');
  const link = await connectNats({ url, name: 'small-servers' });
  await (await openManager(link)).streams.add({ name: 'ONE', subjects: ['one.>'], max_consumers: 1 });
  await on(url, async (start) => {
    const first = await start(reading('first', 'ONE'));
    await new EventPublisher(link).publishAll([{ subject: 'one.x', payload: Buffer.from('{"id":"a"}') }]);
    await first.caughtUp(PATIENCE_MS);
    const second = await start(reading('second', 'ONE'));
    await until(
      async () => ((await causesOf(second)).includes('[stream_consumers_full]') ? true : undefined),
      () => 'why names the consumers',
      PATIENCE_MS,
    );
    await first.stop();
    await second.caughtUp(PATIENCE_MS);
  });
  await link.close();
});

it('a server without a connection left is named, and two topologies run with the connections that they need', {
  timeout: TIMEOUT_MS,
}, async () => {
  const url = await configured('max_connections: 5');
  await on(url, async (start) => {
    const one = await start(reading('one', 'A'));
    const two = await start(reading('two', 'A', 'B'));
    for (const app of [one, two]) await app.caughtUp(PATIENCE_MS);
    await until(
      () => ([one, two].every((app) => app.facts().state === 'running') ? true : undefined),
      () => `both run: ${[one, two].map((app) => app.facts().state)}`,
      PATIENCE_MS,
    );
    await expect(connectNats({ url, name: 'more', connect_timeout_ms: 500 })).rejects.toMatchObject({
      code: 'nats_connections_full',
      retriable: true,
    });
  });
});

it('a start on a server with little room makes smaller streams, and says so', {
  timeout: TIMEOUT_MS,
}, async () => {
  const url = await configured('', 'max_file_store: 40MB');
  const lines: string[] = [];
  const link = await connectNats({ url, name: 'small-servers' });
  for (const stream of [NOTICES_STREAM, AUDIT_STREAM, SINKS_STREAM]) {
    const warnings: string[] = [];
    const queue = await openMessageQueue(link, stream, (sentence) => void warnings.push(sentence));
    expect(warnings.join()).toMatch(
      new RegExp(`"${stream.name}" keeps \\d+ MiB, less than the \\d+ MiB asked for`),
    );
    await queue.append({
      subject: stream.subjects[0]?.replace('>', 'x') ?? '',
      id: 'one',
      data: Buffer.from('{}'),
    });
    // What is there is left as it is, also when it is opened again.
    const { config } = await (await openManager(link)).streams.info(stream.name);
    await openMessageQueue(link, stream);
    expect((await (await openManager(link)).streams.info(stream.name)).config).toEqual(config);
    await (await openManager(link)).streams.delete(stream.name);
  }
  await link.close();
  await on(url, async (start) => {
    const app = await start(reading('little', 'LITTLE'), { log: (line) => void lines.push(line) });
    expect(lines).toEqual(
      expect.arrayContaining([expect.stringMatching(/"DEADLETTER" keeps 32 MiB, less than the 1024 MiB/)]),
    );
    expect((await app.why()).map(({ code }) => code)).not.toContain('stream_missing');
  });
});
