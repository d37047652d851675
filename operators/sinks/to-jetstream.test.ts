import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { subjectOf } from './subject-of.ts';
import { toJetStream } from './to-jetstream.ts';

interface Alert {
  readonly shop: string;
  readonly level: number;
}

const alert = (shop: string, level = 1): Alert => ({ shop, level });
const plain = (input: Stream<Alert>) => input.pipe(toJetStream<Alert>('alerts', { subject: 'alerts.all' }));

describe('toJetStream', () => {
  it('sends each item once, after the commit, as JSON with an id of its place', async () => {
    const driver = await TestDriver.start(plain);
    await driver.push(alert('a'), alert('b'));
    expect(driver.sent).toEqual([]);
    driver.commit();
    expect(driver.sent.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^test-alerts-S\.1-[\w-]{22}$/),
      expect.stringMatching(/^test-alerts-S\.1-[\w-]{22}$/),
    ]);
    expect(new Set(driver.sent.map(({ id }) => id)).size).toBe(2);
    expect(driver.sent[0]).toMatchObject({ subject: 'alerts.all', headers: {} });
    expect(JSON.parse(Buffer.from(driver.sent[0]?.payload ?? []).toString())).toEqual(alert('a'));
  });

  it('takes subject, bytes, headers and id from the item', async () => {
    const driver = await TestDriver.start<Alert, never>((input) =>
      input.pipe(
        toJetStream('alerts', {
          subject: ({ shop }) => `alerts.${shop}`,
          encode: ({ level }) => Uint8Array.of(level),
          headers: ({ level }) => ({ Level: `${level}` }),
          idOf: ({ shop, level }) => `${shop}/${level}`,
        }),
      ),
    );
    await driver.push(alert('a', 7));
    driver.commit();
    expect(driver.sent).toEqual([
      { id: 'a/7', subject: 'alerts.a', headers: { Level: '7' }, payload: Uint8Array.of(7) },
    ]);
  });

  it('puts parts of the item into the subject, and takes no item whose part is no token', async () => {
    const subject = subjectOf`alerts.of-${({ shop }: Alert) => shop}.${({ level }) => level}`;
    expect(subject.pattern).toBe('alerts.*.*');
    const driver = await TestDriver.start<Alert, Alert>((input) =>
      input.pipe(toJetStream<Alert>('alerts', { subject })).side('refused'),
    );
    const bad = ['', 'a.b', 'a b', '*', '>', '\n'].map((shop) => alert(shop));
    await driver.push(...bad, alert('a', 7));
    driver.commit();
    expect(driver.sent.map((message) => message.subject)).toEqual(['alerts.of-a.7']);
    expect(driver.out).toEqual(bad);
    for (const broken of [() => subjectOf`a..${String}`, () => subjectOf`a.*.${String}`, () => subjectOf``]) {
      expect(broken).toThrow(expect.objectContaining({ code: 'bad_subject' }));
    }
  });

  it('may give up the order of a subject for many messages in flight', async () => {
    const driver = await TestDriver.start<Alert, never>((input) =>
      input.pipe(toJetStream('alerts', { subject: 'alerts.all', order: 'none' })),
    );
    await driver.push(alert('a'));
    driver.commit();
    expect(driver.sent).toMatchObject([{ id: expect.stringMatching(/^test-alerts-S\.1-/), unordered: true }]);
  });

  it('puts items aside whose subject is none', async () => {
    const driver = await TestDriver.start<Alert, Alert>((input) =>
      input.pipe(toJetStream<Alert>('alerts', { subject: ({ shop }) => `alerts.${shop}` })).side('refused'),
    );
    const bad = ['', 'a b', '*', 'x.>', '.a', 'a.'].map((shop) => alert(shop));
    await driver.push(...bad, alert('a.b'));
    driver.commit();
    expect(driver.out).toEqual(bad);
    expect(driver.sent.map(({ subject }) => subject)).toEqual(['alerts.a.b']);
    expect(driver.counter('millrace.to_jetstream.refused')).toBe(bad.length);
  });

  it('puts items aside whose id or header no message can have: they would be tried for ever', async () => {
    const driver = await TestDriver.start<Alert, Alert>((input) =>
      input
        .pipe(
          toJetStream<Alert>('alerts', {
            subject: 'alerts.all',
            idOf: ({ shop }) => shop,
            headers: ({ shop, level }) => (level === 1 ? {} : { [shop]: 'é' }),
          }),
        )
        .side('refused'),
    );
    const bad = [
      ...['', 'a\nb', 'a\r'].map((shop) => alert(shop)),
      ...['a b', 'a:b', 'é', 'a\0'].map((shop) => alert(shop, 2)),
    ];
    await driver.push(...bad, alert('a b:é\0'), alert('X-Shop', 2));
    driver.commit();
    expect(driver.out).toEqual(bad);
    expect(driver.sent.map(({ id, headers }) => [id, headers])).toEqual([
      ['a b:é\0', {}],
      ['X-Shop', { 'X-Shop': 'é' }],
    ]);
    expect(driver.counter('millrace.to_jetstream.refused')).toBe(bad.length);
  });

  it('puts items aside that lack what their types say', async () => {
    const parsed = [{ shop: 'a' }, {}, { shop: 1 }, { shop: null }] as unknown as Alert[];
    for (const config of [
      { subject: ({ shop }: Alert) => shop },
      { subject: 'alerts', idOf: ({ shop }: Alert) => shop },
      { subject: 'alerts', headers: ({ shop }: Alert) => ({ shop }) },
    ]) {
      const driver = await TestDriver.start<Alert, Alert>((input) =>
        input.pipe(toJetStream<Alert>('alerts', config)).side('refused'),
      );
      await driver.push(...parsed);
      driver.commit();
      expect([driver.out, driver.sent.length]).toEqual([parsed.slice(1), 1]);
    }
  });

  it('refuses a fixed subject that is none', () => {
    expect(() => toJetStream('alerts', { subject: 'alerts.*' })).toThrow('no subject');
  });

  it('an id stands for one item, whatever is lost and sent again', async () => {
    const steps = fc.array(fc.constantFrom('push', 'commit', 'crash'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        let driver = await TestDriver.start(plain);
        const sent = new Map<string, string>();
        let committed: number[] = [];
        let uncommitted: number[] = [];
        let next = 0;
        const collect = (): void => {
          for (const { id, payload } of driver.sent) {
            const text = Buffer.from(payload).toString();
            expect(sent.get(id) ?? text).toBe(text);
            sent.set(id, text);
          }
        };
        for (const step of [...plan, 'commit']) {
          if (step === 'push') {
            await driver.push(alert('a', next));
            uncommitted.push(next++);
          } else if (step === 'commit') {
            driver.commit();
            committed = [...committed, ...uncommitted];
            uncommitted = [];
          } else {
            collect();
            // What was not committed comes again from the stream.
            driver = await driver.restart();
            for (const level of uncommitted) await driver.push(alert('a', level));
          }
        }
        await driver.idle();
        collect();
        const levels = [...sent.values()].map((text) => (JSON.parse(text) as Alert).level);
        expect(levels).toEqual(committed);
      }),
      { numRuns: 60 },
    );
  });
});
