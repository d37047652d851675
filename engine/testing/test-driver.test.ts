import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from '../base/index.ts';
import { defineOperator } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { TestDriver } from './test-driver.ts';

interface Reading {
  readonly key: string;
  readonly time_ms: number;
}

const counts = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });

/** Counts readings by key; ten ms after a key's last reading it gives the count, and owes a message. */
const quiet = defineOperator<Reading, string, undefined, { counts: ReturnType<typeof counts> }>({
  kind: 'quiet',
  summary: 'A count for each burst',
  state: () => ({ counts: counts() }),
  start: ({ state, timers, metrics, emit, send }) => {
    const scope = state.counts.scope('');
    const bursts = metrics.counter('millrace.quiet.bursts', 'Bursts');
    return {
      onBatch: (items) => {
        for (const { key, time_ms } of items) {
          scope.set(key, (scope.get(key) ?? 0) + 1);
          timers.set(time_ms + 10, key);
        }
      },
      onTimer: (time_ms, key) => {
        const count = scope.get(key);
        if (count === undefined) return;
        scope.delete(key);
        bursts.add();
        emit([`${key}=${count}@${time_ms}`]);
        send({
          id: `${key}-${time_ms}`,
          subject: 'bursts',
          headers: {},
          payload: Buffer.from(String(count)),
        });
      },
    };
  },
});
const start = (options?: Parameters<typeof TestDriver.start>[1]) =>
  TestDriver.start<Reading, string>((t) => t.pipe(quiet('quiet', undefined)), options);

describe('a test driver', () => {
  it('fires timers when event time is moved, and gives what is new since the last take', async () => {
    const driver = await start();
    await driver.push({ key: 'b', time_ms: 100 }, { key: 'a', time_ms: 100 });
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(109);
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(110);
    expect(driver.take()).toEqual(['a=1@110', 'b=1@110']);
    expect(driver.take()).toEqual([]);
    expect(driver.out.length).toBe(2);
    expect(driver.watermarks).toEqual([109, 110]);
    expect(driver.counter('millrace.quiet.bursts')).toBe(2);
  });

  it('sends owed messages after the commit', async () => {
    const driver = await start();
    await driver.push({ key: 'a', time_ms: 100 });
    await driver.advanceTo(200);
    expect(driver.sent).toEqual([]);
    driver.commit();
    expect(driver.sent.map(({ id }) => id)).toEqual(['a-110']);
  });

  it('refuses to move event time back', async () => {
    const driver = await start();
    await driver.advanceTo(200);
    await expect(driver.advanceTo(199)).rejects.toThrow('the watermark never moves back');
  });

  it('loses on a restart what is not committed: items, timers and event time', async () => {
    let driver = await start();
    await driver.push({ key: 'a', time_ms: 100 });
    await driver.advanceTo(105);
    driver.commit();
    await driver.push({ key: 'a', time_ms: 100 }, { key: 'b', time_ms: 101 });
    await driver.advanceTo(106);
    driver = await driver.restart();
    expect(driver.watermarks).toEqual([105]);
    await driver.push({ key: 'a', time_ms: 103 });
    await driver.advanceTo(1_000);
    // The timer of 110 is the first to find the count.
    expect(driver.take()).toEqual(['a=2@110']);
  });

  it('goes on from a snapshot any number of times, without touching it', async () => {
    const driver = await start({ start_ms: 5_000 });
    await driver.push({ key: 'a', time_ms: 100 });
    driver.clock.advance(7);
    const snapshot = driver.snapshot();
    await driver.push({ key: 'a', time_ms: 101 });
    await driver.advanceTo(500);
    expect(driver.take()).toEqual(['a=2@110']);
    for (let time = 0; time < 2; time++) {
      const other = await start({ snapshot });
      expect(other.clock.now()).toBe(5_007);
      await other.advanceTo(500);
      expect(other.take()).toEqual(['a=1@110']);
      other.commit();
    }
    const [one, two] = [await start({ snapshot }), await start({ snapshot })];
    await two.idle();
    expect(one.digest()).toBe(two.digest());
  });

  it('snapshots commit what is open, so that a restart keeps it', async () => {
    let driver = await start();
    await driver.push({ key: 'a', time_ms: 100 });
    const snapshot = driver.snapshot();
    driver = await driver.restart();
    await driver.advanceTo(500);
    expect(driver.take()).toEqual(['a=1@110']);
    expect(snapshot.sequence).toBe(1);
  });

  it('raises what an operator throws', async () => {
    const failing = defineOperator<number, number>({
      kind: 'failing',
      summary: 'Fails',
      start: () => ({
        onBatch: () => {
          throw new Error('the operator failed');
        },
      }),
    });
    const driver = await TestDriver.start<number, number>((t) => t.pipe(failing('failing', undefined)));
    await expect(driver.push(1)).rejects.toThrow('the operator failed');
  });
});
