import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from '../base/index.ts';
import { type Builder, defineOperator, type Stream } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { TestDriver } from './test-driver.ts';

/** Holds the watermark back by the number. */
const hold = defineOperator<string, string, number>({
  kind: 'hold',
  summary: 'Holds the watermark back',
  start: ({ config, emit }) => ({
    delayWatermark_ms: config,
    onBatch: (items) => emit(items),
    onWatermark: (time_ms) => emit([`h${time_ms}`]),
  }),
});

/** Tells the watermarks and timers that come, and what it began with. */
const tell = defineOperator<string, string>({
  kind: 'tell',
  summary: 'Tells what it hears',
  start: ({ emit, timers, initialWatermark_ms }) => ({
    onBatch: (items) => {
      for (const item of items) if (item.startsWith('t')) timers.set(Number(item.slice(1)), 'k');
      emit(items);
    },
    onTimer: (time_ms) => emit([`due ${time_ms}`]),
    onWatermark: (time_ms) => emit([`w${time_ms}`]),
    onBarrier: () => emit([`from ${initialWatermark_ms}`]),
  }),
});

const heldBy =
  (delay_ms: number) =>
  (input: Stream<string>): Stream<string> =>
    input.pipe(hold('hold', delay_ms), tell('tell', undefined));

const startOf = (driver: TestDriver<string, string>): string[] => {
  driver.commit();
  return driver.take();
};

describe('an operator that holds the watermark back', () => {
  it('hears it itself, and passes it on less the delay; at the end all of it', async () => {
    const driver = await TestDriver.start(heldBy(30));
    await driver.push('t75', 't80');
    await driver.advanceTo(105);
    await driver.advanceTo(110);
    await driver.advanceTo(Number.POSITIVE_INFINITY);
    expect(driver.out).toEqual([
      't75',
      't80',
      'h105',
      'due 75',
      'w75',
      'h110',
      'due 80',
      'w80',
      'hInfinity',
      'wInfinity',
    ]);
  });

  it('leaves the watermark of the task as it is, and is part of the commit', async () => {
    const driver = await TestDriver.start(heldBy(30));
    await driver.advanceTo(100);
    driver.commit();
    expect(driver.progress).toMatchObject({
      watermark_ms: 100,
      watermarks: { feed: 100 },
      delayed: { hold: 70 },
    });
  });

  it('is not spoken of where there is none', async () => {
    const driver = await TestDriver.start(heldBy(0));
    await driver.advanceTo(100);
    driver.commit();
    expect(driver.out).toEqual(['h100', 'w100', 'from null']);
    expect(driver.progress).not.toHaveProperty('delayed');
  });

  it('holds it at the same place after a restart, for what was there and what is new', async () => {
    let driver = await TestDriver.start(heldBy(30));
    await driver.advanceTo(100);
    driver.commit();
    driver = await driver.restart();
    expect(startOf(driver)).toEqual(['h100', 'w70', 'from 70']);
    const longer = await TestDriver.start<string, string>(
      (input) => heldBy(30)(input).pipe(tell('new', undefined)),
      { snapshot: driver.snapshot() },
    );
    expect(startOf(longer)).toEqual(['h100', 'w70', 'w70', 'from 70', 'from 70']);
  });

  it('never moves it back: with a longer delay it waits where it was, with a shorter one it goes on', async () => {
    const first = await TestDriver.start(heldBy(30));
    await first.advanceTo(100);
    const snapshot = first.snapshot();
    const longer = await TestDriver.start(heldBy(50), { snapshot });
    await longer.advanceTo(110);
    await longer.advanceTo(119.5);
    await longer.advanceTo(120);
    await longer.advanceTo(121);
    expect(startOf(longer)).toEqual(['h100', 'w70', 'h110', 'h119.5', 'h120', 'h121', 'w71', 'from 70']);
    const shorter = await TestDriver.start(heldBy(10), { snapshot });
    expect(startOf(shorter)).toEqual(['h100', 'w90', 'from 70']);
  });

  it('waits where the watermark was when state of a time without a delay goes on', async () => {
    const before = await TestDriver.start(heldBy(0));
    await before.advanceTo(100);
    const driver = await TestDriver.start(heldBy(30), { snapshot: before.snapshot() });
    await driver.advanceTo(129);
    await driver.advanceTo(131);
    expect(startOf(driver)).toEqual(['h100', 'w100', 'h129', 'h131', 'w101', 'from 100']);
  });

  it('one after the other they add up, and a merge goes by the one that is held back most', async () => {
    const build = (input: Stream<string>, t: Builder): Stream<string> => {
      const once = input.pipe(hold('once', 30));
      const twice = once.pipe(hold('twice', 5));
      return t.merge('all', input, once, twice).pipe(tell('tell', undefined));
    };
    let driver = await TestDriver.start(build);
    await driver.advanceTo(100);
    driver.commit();
    expect(driver.out.filter((item) => item.startsWith('w'))).toEqual(['w65']);
    expect(driver.progress).toMatchObject({ watermark_ms: 100, delayed: { once: 70, twice: 65 } });
    driver = await driver.restart();
    expect(startOf(driver).filter((item) => !item.startsWith('h'))).toEqual(['w65', 'from 65']);
  });

  it('goes on from where it was, not from where the task is, also where a restart came before the task had a watermark', async () => {
    const owner = (letter: string) =>
      defineOperator<string, string>({
        kind: 'owner',
        summary: 'Takes what begins with its letter as a watermark',
        ownsWatermark: true,
        start: ({ emitWatermark, initialWatermark_ms }) => {
          let reached_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
          return {
            onBatch: (items) => {
              for (const item of items.filter((text) => text.startsWith(letter))) {
                reached_ms = Number(item.slice(1));
                emitWatermark(reached_ms);
              }
            },
            onWatermark: (time_ms) => emitWatermark(Math.max(time_ms, reached_ms)),
          };
        },
      })(`owner-${letter}`, undefined);
    const build = (input: Stream<string>, t: Builder): Stream<string> => {
      const held = t.merge('ab', input.pipe(owner('a')), input.pipe(owner('b'))).pipe(hold('hold', 30));
      return t.merge('all', held, input.pipe(owner('c'))).pipe(tell('tell', undefined));
    };
    let driver = await TestDriver.start(build);
    await driver.push('a100');
    driver.commit();
    driver = await driver.restart();
    // The first goes on from its own, though the task had none: what comes to the merge is the second one's.
    await driver.push('b50', 'c60');
    driver.commit();
    expect(driver.progress).toMatchObject({ watermark_ms: 50, delayed: { hold: 20 } });
    driver = await driver.restart();
    expect(startOf(driver)).toEqual(['h50', 'w20', 'from 20']);
    driver = await driver.restart();
    await driver.push('b90');
    expect(startOf(driver)).toEqual(['h50', 'w20', 'h90', 'w60', 'from 20']);
  });

  it('rows behind it expire by the watermark there, whenever commits are', async () => {
    const DAY_MS = 86_400_000;
    const rows = () =>
      mapTable<string, number>({
        key: stringKey,
        value: intCodec,
        version: 1,
        ttl: { retain_ms: 2 * DAY_MS },
      });
    const remember = defineOperator<string, string, undefined, { rows: ReturnType<typeof rows> }>({
      kind: 'remember',
      summary: 'Says what it has seen',
      state: () => ({ rows: rows() }),
      start: ({ state, emit }) => {
        const seen = state.rows.scope('');
        return {
          onBatch: (items) => {
            for (const item of items) {
              if (item === 'set') seen.set('k', 1);
              if (item === 'get') emit([seen.get('k') === undefined ? 'gone' : 'there']);
            }
          },
        };
      },
    });
    const build = (input: Stream<string>): Stream<string> =>
      input.pipe(hold('hold', 10 * DAY_MS), remember('remember', undefined));
    for (const commits of [false, true]) {
      const driver = await TestDriver.start(build);
      await driver.advanceTo(20 * DAY_MS);
      await driver.push('set');
      driver.commit();
      for (const day of [22, 29]) {
        await driver.advanceTo(day * DAY_MS);
        if (commits) driver.commit();
        await driver.push('get');
      }
      expect(driver.out).toEqual(['there', 'gone']);
    }
  });
});
