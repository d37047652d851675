import { describe, expect, it } from 'vitest';
import { META_TABLE, readNotices, type SourceRecord, TestDriver } from '../../engine/index.ts';
import { CODE } from '../rows/index.ts';
import { type DecodeEventsConfig, decodeEvents } from './decode-events.ts';
import type { EventBatch } from './event-batch.ts';
import { eventText, NOW_MS, recordOf, rowOf } from './fixture-columns.ts';

const start = (config: DecodeEventsConfig = {}) =>
  TestDriver.start<SourceRecord, EventBatch>((input) => input.pipe(decodeEvents('decode', config)), {
    start_ms: NOW_MS,
  });

const CLOUD = { specversion: '1.0', source: 's', type: 'order.created', time: '2025-08-01T10:00:00Z' };
const at = (sequence: number, text: string): SourceRecord => ({ ...recordOf(text), sequence });
const countryCodes = ({ own }: EventBatch): number[] =>
  Array.from(own.columns.codes[CODE.dimensions + 1]?.subarray(0, own.length) ?? []);

describe('decodeEvents', () => {
  it('emits one batch a push, and the rejected parts as dead letters', async () => {
    const driver = await start();
    await driver.push(at(7, `[${eventText()},5]`), at(8, '{'), at(9, eventText({ event_id: 'e2' })));
    const [batch, ...more] = driver.take();
    expect([batch?.length, more]).toEqual([2, []]);
    expect(batch?.records.map(({ sequence }) => sequence)).toEqual([7, 8, 9]);
    expect(Array.from(batch?.record.subarray(0, 2) ?? [])).toEqual([0, 2]);
    driver.commit();
    expect(
      driver.sent.map(({ id, subject, payload }) => [id, subject, Buffer.from(payload).toString()]),
    ).toEqual([
      [
        expect.stringMatching(/^deadletter-events\.acme\.x-7-1-not_an_object-[\w-]{11}$/),
        'deadletter.acme',
        '5',
      ],
      [
        expect.stringMatching(/^deadletter-events\.acme\.x-8-0-malformed_json-[\w-]{11}$/),
        'deadletter.acme',
        '{',
      ],
    ]);
    expect([driver.counter('millrace.decode.accepted'), driver.counter('millrace.decode.rejected')]).toEqual([
      2, 2,
    ]);
    expect(readNotices(driver.disk.open().table(META_TABLE), 'acme', 'dead_letter', 9)).toMatchObject([
      { sequence: 8, detail: { reason: 'malformed_json', part: 0 } },
      { sequence: 7, detail: { reason: 'not_an_object', part: 1 } },
    ]);
  });

  it('a push without an event emits nothing', async () => {
    const driver = await start();
    await driver.push(at(1, '{'));
    expect(driver.take()).toEqual([]);
  });

  it('its codes are those of before after a restart, as far as they were committed', async () => {
    let driver = await start();
    await driver.push(at(1, eventText({ country: 'DE' })), at(2, eventText({ country: 'FR' })));
    const [before] = driver.take().map(countryCodes);
    driver.commit();
    await driver.push(at(3, eventText({ country: 'lost' })));
    driver = await driver.restart();
    await driver.push(
      at(3, eventText({ country: 'IT' })),
      at(4, eventText({ country: 'FR' })),
      at(5, eventText({ country: 'DE' })),
    );
    const [after] = driver.take();
    if (before === undefined || after === undefined) throw new Error('a push emitted nothing');
    expect(countryCodes(after).slice(1)).toEqual([before[1], before[0]]);
    expect(rowOf(after, 0)).toMatchObject({ country: 'IT' });
    expect(after.dictionary.find('lost')).toBe(-1);
    driver.commit();
  });

  it('its dictionary is bounded', async () => {
    const driver = await start({ dictionaryTexts: 6 });
    await driver.push(
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((country, index) => at(index + 1, eventText({ country }))),
    );
    const [batch] = driver.take();
    if (batch === undefined) throw new Error('nothing was emitted');
    expect([rowOf(batch, 0).country, rowOf(batch, 5).country]).toEqual(['a', '__other__']);
  });

  it('tenants and currencies keep their own texts, however full the dictionary is', async () => {
    const driver = await start({ dictionaryTexts: 1 });
    const cloud = (currency: string) => JSON.stringify({ ...CLOUD, id: currency, data: { currency } });
    await driver.push(
      ...['EUR', 'USD'].map((currency, index) => at(index + 1, eventText({ currency }))),
      ...['CHF', 'JPY'].map((currency, index) => at(index + 3, cloud(currency))),
    );
    const [batch] = driver.take();
    if (batch === undefined) throw new Error('nothing was emitted');
    expect([0, 1, 2, 3].map((row) => rowOf(batch, row).currency)).toEqual(['EUR', 'USD', 'CHF', 'JPY']);
    expect(rowOf(batch, 0).tenant).toBe('acme');
  });

  it('rejects what its retention has left behind, and notes a rate that is none', async () => {
    const driver = await start({ retention_days: 1 });
    await driver.advanceTo(NOW_MS);
    driver.commit();
    await driver.push(
      at(1, eventText({ time: '2025-07-01T00:00:00Z' })),
      at(2, eventText({ type: 'fx.rate' })),
    );
    driver.commit();
    expect(driver.sent.map(({ headers }) => headers?.Reason)).toEqual(['behind_retention']);
    expect(driver.progress?.notices).toEqual({ acme: { dead_letter: 1, bad_rate: 1 } });
  });

  it('its digest does not tell in which order texts came', async () => {
    const digests = await Promise.all(
      [
        ['DE', 'FR'],
        ['FR', 'DE'],
      ].map(async (countries) => {
        const driver = await start();
        await driver.push(...countries.map((country, index) => at(index + 1, eventText({ country }))));
        driver.commit();
        return driver.digest();
      }),
    );
    expect(digests[0]).toBe(digests[1]);
  });
});
