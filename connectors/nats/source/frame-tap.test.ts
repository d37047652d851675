import { headers, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { SourceFixture } from './fixture-source.ts';
import type { Frame } from './frame.ts';
import { frameTapOf } from './frame-tap.ts';
import type { JetStreamSource } from './jetstream-source.ts';

let fixture: SourceFixture;

beforeAll(async () => {
  fixture = await SourceFixture.start();
});

afterAll(() => fixture?.stop());

/** The same connection, with an inside that nobody knows. */
function unknownInside(connection: NatsConnection): NatsConnection {
  return new Proxy(connection, {
    get: (target, name) => {
      if (name === 'protocol') return undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Read {
  readonly sequence: number;
  readonly subject: string;
  readonly data: string;
  readonly headers: readonly (readonly [string, string])[];
}

async function readAll(source: JetStreamSource, count: number): Promise<Read[]> {
  const all: Read[] = [];
  await source.start(0);
  while (all.length < count) {
    for (const record of await source.take({ max: 100, wait_ms: 1_000 })) {
      const { sequence, subject, data } = record;
      all.push({
        sequence,
        subject,
        data: Buffer.from(data).toString('base64'),
        headers: [...record.headers()],
      });
    }
  }
  return all;
}

describe('a tap', () => {
  it('is there with the client that is installed', async () => {
    const { stream } = await fixture.newStream();
    const source = fixture.open({ stream });
    await source.start(0);
    expect(source.diagnostics().isDirect).toBe(true);
    await source.stop();
  });

  it('is not there with a client whose inside is not known', () => {
    const { connection } = fixture.link;
    expect(frameTapOf(unknownInside(connection))).toBeUndefined();
    expect(frameTapOf({} as NatsConnection)).toBeUndefined();
    const parser = { parse: () => undefined, state: 0 };
    const other = { protocol: { parser, transport: { version: '3.4.0' } } } as unknown as NatsConnection;
    expect(frameTapOf(other)).toBeUndefined();
    expect(frameTapOf(connection)).toBe(frameTapOf(connection));
  });

  it('gives the same records as the client', async () => {
    const { stream, subject } = await fixture.newStream();
    const { connection } = fixture.link;
    const data = fc.oneof(
      fc.constantFrom('', '\r\n', 'MSG s1.a 1 2\r\nok\r\n', 'é'.repeat(40_000), 'x'.repeat(300_000)),
      fc.json(),
    );
    const tags = fc.option(
      fc.record({
        'Nats-Msg-Id': fc.uuid(),
        'ce-id': fc.constantFrom('1', 'Caf%C3%A9-1', 'ü'),
        'Content-Type': fc.constantFrom('application/json', 'text/plain; charset=utf-8'),
      }),
      { nil: undefined },
    );
    const messages = fc.sample(fc.record({ tail: fc.constantFrom('x', 'é', 'y.z'), data, tags }), {
      numRuns: 400,
      seed: 7,
    });
    for (const message of messages) {
      const set = headers();
      for (const [name, value] of Object.entries(message.tags ?? {})) set.append(name, value);
      const options = message.tags === undefined ? {} : { headers: set };
      connection.publish(`${subject}.${message.tail}`, message.data, options);
    }
    await fixture.publish(subject, 'last');
    const direct = fixture.open({ stream });
    const usual = fixture.open({
      stream,
      link: { ...linkParts(), connection: unknownInside(connection) },
    });
    const expected = await readAll(usual, 401);
    expect(await readAll(direct, 401)).toEqual(expected);
    expect([direct, usual].map((source) => source.diagnostics().isDirect)).toEqual([true, false]);
    expect(expected.slice(0, 400).map(({ data: read }) => read)).toEqual(
      messages.map((message) => Buffer.from(message.data).toString('base64')),
    );
    await fixture.stopSources();
  });

  it('reads on after the client has connected again', async () => {
    const { connection } = fixture.link;
    const tap = frameTapOf(connection);
    const direct: string[] = [];
    const usual: string[] = [];
    const subscription = connection.subscribe('tap.>', {
      callback: (_, message) => void usual.push(message.string()),
    });
    tap?.open(subscription.getID(), {
      settled: () => undefined,
      frame: (frame: Frame) => {
        const text = Buffer.from(frame.bytes.subarray(frame.dataStart, frame.dataEnd)).toString();
        if (text !== 'not mine') direct.push(text);
        return text !== 'not mine';
      },
    });
    const say = async (text: string): Promise<void> => {
      connection.publish('tap.x', text);
      await connection.flush();
    };
    await say('one');
    await say('not mine');
    const back = new Promise<void>((resolve) => {
      const forget = fixture.link.onStatus((status) => {
        if (status !== 'connected') return;
        forget();
        resolve();
      });
    });
    await connection.reconnect();
    await back;
    await say('two');
    tap?.close(subscription.getID());
    await say('three');
    expect(direct).toEqual(['one', 'two']);
    expect(usual).toEqual(['not mine', 'three']);
    subscription.unsubscribe();
  });
});

/** The fixture's link, connected, without its connection. */
function linkParts() {
  const { link } = fixture;
  const { url, access, connected } = link;
  return { url, access, connected, onStatus: link.onStatus.bind(link), close: () => link.close() };
}
