import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { MillraceError } from '../base/index.ts';
import type { Source, SourceRecord } from '../edges/index.ts';
import { record, ScriptedSource } from '../testing/fixture-task.ts';
import { type Enrichment, type EnrichOptions, enrichingSource, enrichmentOf } from './enriching-source.ts';

const text = ({ data }: SourceRecord): string => Buffer.from(data).toString();

function scripted(...takes: (readonly string[])[]): ScriptedSource {
  const source = new ScriptedSource();
  let sequence = 0;
  for (const texts of takes) source.takes.push(texts.map((one) => record(++sequence, one)));
  return source;
}

const options = <E>(enrich: EnrichOptions<E>['enrich'], more: Partial<EnrichOptions<E>> = {}) => ({
  enrich,
  max_in_flight: 4,
  timeout_ms: 60_000,
  onTimeout: 'fail' as const,
  ...more,
});

async function takeAll(source: Source, records: number, max = 100): Promise<SourceRecord[]> {
  const all: SourceRecord[] = [];
  while (all.length < records) all.push(...(await source.take({ max, wait_ms: 20 })));
  return all;
}

const lookedUp = (one: SourceRecord): unknown => {
  const enrichment = enrichmentOf<string>(one);
  return enrichment?.status === 'done' ? enrichment.value : enrichment?.status;
};

describe('enrichingSource', () => {
  it('gives each record with what was looked up, in order, however long each takes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(3), { maxLength: 8 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (delays, max_in_flight, max) => {
          const inner = scripted(...delays.map((take) => take.map(String)));
          let running = 0;
          let most = 0;
          const enrich = async (one: SourceRecord): Promise<string> => {
            most = Math.max(most, ++running);
            await sleep(Number(text(one)));
            running--;
            return `value of ${one.sequence}`;
          };
          const source = enrichingSource(inner, options(enrich, { max_in_flight }));
          const total = delays.flat().length;
          const all = await takeAll(source, total, max);
          expect(all.map(({ sequence }) => sequence)).toEqual(Array.from({ length: total }, (_, n) => n + 1));
          expect(all.map(lookedUp)).toEqual(all.map(({ sequence }) => `value of ${sequence}`));
          expect(most).toBeLessThanOrEqual(max_in_flight);
          expect(source.enrichments()).toEqual({ in_flight: 0, buffered: 0, timeouts: 0, failures: 0 });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives out what is ready while later look-ups go on, and takes no more until all are given out', async () => {
    const inner = scripted(['fast', 'slow'], ['next']);
    let finish: (() => void) | undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const source = enrichingSource(
      inner,
      options(async (one) => {
        if (text(one) === 'slow') await slow;
        return text(one);
      }),
    );
    expect((await source.take({ max: 9, wait_ms: 100 })).map(text)).toEqual(['fast']);
    expect(await source.take({ max: 9, wait_ms: 5 })).toEqual([]);
    expect(inner.takes).toHaveLength(1);
    expect(source.state().caughtUp).toBe(false);
    finish?.();
    expect((await source.take({ max: 9, wait_ms: 100 })).map(text)).toEqual(['slow']);
    expect(source.state().caughtUp).toBe(true);
    expect((await source.take({ max: 9, wait_ms: 100 })).map(text)).toEqual(['next']);
  });

  it('a look-up that takes too long is aborted; the record goes on without, or the task stops', async () => {
    const enrich = (one: SourceRecord, signal: AbortSignal): Promise<string> =>
      text(one) === 'hangs'
        ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        : Promise.resolve('found');
    const limits = { timeout_ms: 5 };
    const passing = enrichingSource(
      scripted(['a', 'hangs', 'b']),
      options(enrich, { ...limits, onTimeout: 'pass' }),
    );
    expect((await takeAll(passing, 3)).map(lookedUp)).toEqual(['found', 'timed_out', 'found']);
    expect(passing.enrichments()).toMatchObject({ timeouts: 1, failures: 0 });
    const failing = enrichingSource(scripted(['a', 'hangs', 'b']), options(enrich, limits));
    // What came before it is not held back.
    expect((await takeAll(failing, 1)).map(text)).toEqual(['a']);
    await expect(failing.take({ max: 9, wait_ms: 100 })).rejects.toMatchObject({
      code: 'enrichment_timeout',
      retriable: true,
    });
  });

  it('a look-up may take as long as it likes; what stopping ends has not timed out', async () => {
    const enrich = async (one: SourceRecord): Promise<string> => {
      await sleep(text(one) === 'long' ? 60_000 : 20, undefined, { ref: false });
      return 'found';
    };
    for (const timeout_ms of [Number.POSITIVE_INFINITY, 2 ** 31]) {
      const source = enrichingSource(scripted(['a', 'b'], ['long']), options(enrich, { timeout_ms }));
      expect((await takeAll(source, 2)).map(lookedUp)).toEqual(['found', 'found']);
      expect(await source.take({ max: 9, wait_ms: 1 })).toEqual([]);
      await source.stop();
      await sleep(1);
      expect(source.enrichments()).toMatchObject({ in_flight: 0, timeouts: 0, failures: 0 });
    }
    for (const limits of [{ max_in_flight: 1.5 }, { max_buffered: 0.5 }, { timeout_ms: Number.NaN }]) {
      expect(() => enrichingSource(scripted(), options(enrich, limits))).toThrow(Object.keys(limits)[0]);
    }
  });

  it('a look-up that fails is passed on with its error, or stops the task', async () => {
    const enrich = (one: SourceRecord): Promise<string> => {
      if (text(one) === 'bad') return Promise.reject(new MillraceError('no_such_customer', 'unknown'));
      if (text(one) === 'down') throw new Error('connection refused');
      return Promise.resolve('found');
    };
    const passing = enrichingSource(scripted(['bad', 'down', 'a']), options(enrich, { onError: 'pass' }));
    const [bad, down, good] = await takeAll(passing, 3);
    const ofBad: Enrichment<string> | undefined = enrichmentOf<string>(bad as SourceRecord);
    expect(ofBad).toMatchObject({ status: 'failed', error: { code: 'no_such_customer' } });
    expect([down, good].map((one) => lookedUp(one as SourceRecord))).toEqual(['failed', 'found']);
    for (const [given, retriable] of [
      ['bad', false],
      ['down', true],
    ] as const) {
      const failing = enrichingSource(scripted([given]), options(enrich));
      await expect(failing.take({ max: 9, wait_ms: 100 })).rejects.toMatchObject({
        code: 'enrichment_failed',
        retriable,
      });
    }
  });

  it('says how far its source has passed, but not while it holds a record', async () => {
    const inner = scripted(['slow']);
    let finish = (): void => {};
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const source = enrichingSource(
      inner,
      options(() => slow),
    );
    inner.passedTo = 9;
    expect(await source.take({ max: 9, wait_ms: 1 })).toEqual([]);
    expect(source.passed?.()).toBeUndefined();
    finish();
    expect(await source.take({ max: 9, wait_ms: 60_000 })).toHaveLength(1);
    expect(source.passed?.()).toBe(9);
  });

  it('holds a limited number of records, and stops at once', async () => {
    const inner = new ScriptedSource();
    const asked: number[] = [];
    inner.take = ({ max = 0 }: { wait_ms: number; max?: number }) => {
      asked.push(max);
      return Promise.resolve([record(1, 'x')]);
    };
    const source = enrichingSource(
      inner,
      options(() => new Promise<never>(() => undefined), { max_buffered: 7 }),
    );
    const taking = source.take({ max: 4_096, wait_ms: 60_000 });
    await sleep(1);
    await source.stop();
    expect(await taking).toEqual([]);
    expect(asked).toEqual([7]);
    expect(inner.stopped).toBe(true);
    expect(() =>
      enrichingSource(
        inner,
        options(() => Promise.resolve(1), { max_in_flight: 0 }),
      ),
    ).toThrow('max_in_flight');
  });

  it('a record that came another way has no enrichment', () => {
    expect(enrichmentOf(record(1, 'x'))).toBeUndefined();
    expectTypeOf(enrichmentOf<string>).returns.toEqualTypeOf<Enrichment<string> | undefined>();
  });
});
