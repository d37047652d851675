import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  ManualClock,
  MemoryDisk,
  MillraceError,
  Outbox,
  type OutMessage,
  type Source,
  type SourceRecord,
  Task,
  TestDriver,
  topology,
} from '../../engine/index.ts';
import { map } from '../core/index.ts';
import { type CallbackMessage, CallbackPublisher } from './callback-publisher.ts';
import { toCallback } from './to-callback.ts';

const message = (id: string, subject = 'callback.mail'): OutMessage => ({
  id,
  subject,
  headers: {},
  payload: Buffer.from(JSON.stringify(id)),
});
const QUICK = { retry_first_ms: 1, retry_max_ms: 4, timeout_ms: 60_000 };

describe('toCallback', () => {
  it('owes a message to the callback of its name, after the commit', async () => {
    const driver = await TestDriver.start<{ to: string }, never>((input) =>
      input.pipe(toCallback<{ to: string }>('mail', { headers: ({ to }) => ({ To: to }) })),
    );
    await driver.push({ to: 'a' });
    expect(driver.sent).toEqual([]);
    driver.commit();
    expect(driver.sent).toMatchObject([
      { id: expect.stringMatching(/^test-mail-S\.1-/), subject: 'callback.mail', headers: { To: 'a' } },
    ]);
  });

  it('puts items aside whose id or header is no text', async () => {
    type Mail = { to: string };
    const parsed = [{ to: 'a' }, {}, { to: 7 }] as unknown as Mail[];
    for (const config of [{ idOf: ({ to }: Mail) => to }, { headers: ({ to }: Mail) => ({ to }) }]) {
      const driver = await TestDriver.start<Mail, Mail>((input) =>
        input.pipe(toCallback<Mail>('mail', config)).side('refused'),
      );
      await driver.push(...parsed);
      driver.commit();
      expect([driver.out, driver.sent.length]).toEqual([parsed.slice(1), 1]);
      expect(driver.counter('millrace.to_callback.refused')).toBe(2);
    }
  });

  it('refuses a name that is no subject', () => {
    expect(() => toCallback('mail', { callback: 'a b' })).toThrow('no spaces');
  });
});

describe('CallbackPublisher', () => {
  it('calls the function of the name with the message, and hands other messages on', async () => {
    const others: OutMessage[] = [];
    const calls: CallbackMessage[] = [];
    const publisher = new CallbackPublisher({
      publish: (other) => Promise.resolve(void others.push(other)),
    }).register('mail', (call) => Promise.resolve(void calls.push(call)));
    await publisher.publish(message('a'));
    await publisher.publish(message('b', 'alerts.x'));
    expect(calls.map(({ id, attempt, json }) => [id, attempt, json()])).toEqual([['a', 1, 'a']]);
    expect(others.map(({ id }) => id)).toEqual(['b']);
  });

  it('keeps the order while a call fails, with one at a time', async () => {
    const log: string[] = [];
    const publisher = new CallbackPublisher().register(
      'mail',
      async ({ id, attempt }) => {
        log.push(`${id}${attempt}`);
        await sleep(1);
        if (id === 'a' && attempt < 3) throw new Error('not now');
      },
      QUICK,
    );
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(message(id))));
    expect(log).toEqual(['a1', 'a2', 'a3', 'b1', 'c1']);
  });

  it('keeps the order of what waits for its callback, and takes from the outbox what may run at once', async () => {
    const log: string[] = [];
    const call = ({ id }: CallbackMessage): Promise<void> => Promise.resolve(void log.push(id));
    const publisher = new CallbackPublisher().register('sms', call, { max_in_flight: 3 });
    const table = new MemoryDisk().open();
    const limits = { max_rows: 100, window: 10, retry_ms: 1 };
    const outbox = new Outbox(table.table('outbox'), publisher, 0, limits, { refused: () => {} });
    for (const id of ['a', 'b', 'c']) outbox.stage(message(id));
    table.transaction(() => outbox.flush()).sendCommitted();
    await sleep(10);
    publisher.register('mail', call);
    while (outbox.owed > 0) await sleep(1);
    expect(log).toEqual(['a', 'b', 'c']);
    expect(['mail', 'sms'].map((name) => publisher.maxInFlight(`callback.${name}`))).toEqual([1, 3]);
  });

  it('runs as many at once as allowed', async () => {
    let running = 0;
    let most = 0;
    const publisher = new CallbackPublisher().register(
      'mail',
      async () => {
        most = Math.max(most, ++running);
        await sleep(2);
        running--;
      },
      { max_in_flight: 3 },
    );
    await Promise.all(Array.from({ length: 10 }, (_, n) => publisher.publish(message(`${n}`))));
    expect(most).toBe(3);
  });

  it('may take as long as it likes, but has to be called at all', async () => {
    for (const timeout_ms of [Number.POSITIVE_INFINITY, 2 ** 31]) {
      let calls = 0;
      const call = (): Promise<void> => sleep(20, void calls++);
      const slow = new CallbackPublisher().register('mail', call, { ...QUICK, timeout_ms });
      await slow.publish(message('a'));
      expect(calls).toBe(1);
    }
    for (const limits of [
      { max_in_flight: 0 },
      { max_attempts: 0 },
      { timeout_ms: -1 },
      { retry_first_ms: Number.NaN },
    ]) {
      expect(() => new CallbackPublisher().register('mail', () => Promise.resolve(), limits)).toThrow(
        Object.keys(limits)[0],
      );
    }
  });

  it('gives up after its attempts, or when it is told that trying again is useless', async () => {
    let calls = 0;
    const publisher = new CallbackPublisher()
      .register('down', () => Promise.reject(new Error(`down ${++calls}`)), { ...QUICK, max_attempts: 3 })
      .register('never', () => Promise.reject(new MillraceError('no_such_customer', 'unknown')), QUICK);
    await expect(publisher.publish(message('a', 'callback.down'))).rejects.toMatchObject({
      code: 'callback_failed',
      retriable: false,
      message: expect.stringContaining('down 3'),
    });
    await expect(publisher.publish(message('b', 'callback.never'))).rejects.toMatchObject({
      code: 'no_such_customer',
    });
  });

  it('a call that takes too long is aborted and repeated', async () => {
    const aborted: boolean[] = [];
    const publisher = new CallbackPublisher().register(
      'mail',
      ({ attempt }, signal) =>
        attempt > 1
          ? Promise.resolve()
          : new Promise((resolve) => {
              signal.addEventListener('abort', () => {
                aborted.push(true);
                resolve();
              });
            }),
      { ...QUICK, timeout_ms: 5 },
    );
    await publisher.publish(message('a'));
    expect(aborted).toEqual([true]);
  });

  it('a message for nobody waits, a name is taken once, and closing ends the waiting', async () => {
    const publisher = new CallbackPublisher();
    await expect(publisher.publish(message('a'))).rejects.toMatchObject({
      code: 'callback_not_registered',
      retriable: true,
    });
    await expect(publisher.publish(message('a', 'other'))).rejects.toMatchObject({ code: 'no_publisher' });
    publisher.register('mail', () => new Promise(() => undefined));
    expect(() => publisher.register('mail', () => Promise.resolve())).toThrow('already');
    const waiting = publisher.publish(message('b'));
    publisher.close();
    await expect(waiting).rejects.toMatchObject({ code: 'callback_closed', retriable: true });
  });
});

/** Gives these texts from the position on, one a take. */
class TextSource implements Source {
  readonly partition = '0';
  readonly #texts: readonly string[];
  #next = 1;

  constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  facts() {
    const lastSequence = this.#texts.length;
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#next = after + 1;
    return Promise.resolve();
  }

  take(): Promise<readonly SourceRecord[]> {
    const text = this.#texts[this.#next - 1];
    if (text === undefined) return Promise.resolve([]);
    const data = Buffer.from(text);
    const header = (): undefined => undefined;
    return Promise.resolve([{ sequence: this.#next++, subject: 's', data, hasHeaders: false, header }]);
  }

  state() {
    return { headSequence: this.#texts.length, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

describe('callbacks of a task', () => {
  it('a crash anywhere repeats calls under their ids and loses none', async () => {
    const disk = new MemoryDisk();
    const texts = ['a', 'b', 'c', 'd'];
    const done = new Map<string, string>();
    let calls = 0;
    for (const crashAfter of [0, 1, 2, 9]) {
      const publisher = new CallbackPublisher().register('note', async (call) => {
        calls++;
        const text = String(call.json());
        expect(done.get(call.id) ?? text).toBe(text);
        done.set(call.id, text);
      });
      const task = new Task({
        topology: topology('notes', (t) => {
          t.source('source').pipe(
            map('text', ({ data }) => Buffer.from(data).toString()),
            toCallback<string>('note'),
          );
        }),
        source: new TextSource(texts),
        store: disk.open(),
        publisher,
        clock: new ManualClock(0),
        limits: { barrier_interval_ms: Number.POSITIVE_INFINITY },
      });
      await task.open();
      for (let step = 0; step < crashAfter; step++) {
        await task.step(0);
        task.commit();
      }
      if (crashAfter > 2) await sleep(5);
      // Calls that were made and not committed are owed still.
      publisher.close();
      task.close();
      await sleep(1);
    }
    expect([...done.values()].sort()).toEqual(texts);
    expect(calls).toBeGreaterThanOrEqual(texts.length);
  });
});
