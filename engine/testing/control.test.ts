import { describe, expect, it } from 'vitest';
import { MillraceError, SeededRandom } from '../base/index.ts';
import { CONTROL_TABLE, listApplied, readApplied } from '../control/index.ts';
import { defineOperator, type Stream, topology } from '../graph/index.ts';
import { type RawSpec, rawTable } from '../state/index.ts';
import { simulateSeeds } from './simulate-seeds.ts';
import { TestDriver } from './test-driver.ts';
import { TopologyTestDriver } from './topology-test-driver.ts';

/** Tells the definitions that it is given; one that says "bad" is refused, one that says "broken" throws anything. */
const tell = defineOperator<string, string, readonly string[], { seen: RawSpec }>({
  kind: 'tell',
  summary: 'Tells what it is given',
  state: () => ({ seen: rawTable({ version: 1, logicalRows: () => [] }) }),
  start: ({ config, name, state, emit }) => {
    let told: string[] = [];
    return {
      onBatch: emit,
      onBarrier: () => {
        for (const each of told) state.seen.put(Buffer.from(each), Buffer.from(''));
        emit(told);
        told = [];
      },
      definitions: {
        kinds: config,
        define: ({ scope, id, body }) => {
          if (body === 'bad') throw new MillraceError('bad_body', 'Say something else.');
          if (body === 'broken') throw new TypeError('not foreseen');
          told.push(`${name}+${scope}/${id}=${JSON.stringify(body)}`);
        },
        forget: ({ scope, id, body }) => void told.push(`${name}-${scope}/${id}=${JSON.stringify(body)}`),
      },
    };
  },
});

const build = (input: Stream<string>): Stream<string> =>
  input.pipe(tell('one', ['a', 'b']), tell('two', ['b']));

const committed = (driver: TestDriver<string, string>): string[] => {
  driver.commit();
  return driver.take();
};

const applied = ({ disk }: TestDriver<string, string>) =>
  disk
    .reader()
    .snapshot((table) =>
      listApplied(table(CONTROL_TABLE)).map(({ kind, id, text, refusals }) => [
        `${kind}/${id}`,
        text,
        ...refusals.map(({ operator, code }) => `${operator}: ${code}`),
      ]),
    );

describe('a definition', () => {
  it('is applied at a barrier, by all operators of its kind, in the order in which they were made', async () => {
    const driver = await TestDriver.start(build);
    driver.control.define('b', 't', 'y', { n: 1 });
    driver.control.define('a', 't', 'z', 2);
    driver.control.define('c', 't', 'nobody', 3);
    await driver.push('row');
    expect(driver.take()).toEqual(['row']);
    expect(committed(driver)).toEqual(['one+t/y={"n":1}', 'one+t/z=2', 'two+t/y={"n":1}']);
    expect(driver.progress?.control).toEqual({ bucket: 'test', revision: 3 });
    expect(applied(driver)).toEqual([
      ['a/z', '2'],
      ['b/y', '{"n":1}'],
    ]);
    expect(committed(driver)).toEqual([]);
  });

  it('that changes is forgotten and made anew; one that only was written again is left alone', async () => {
    const driver = await TestDriver.start(build);
    driver.control.define('a', 't', 'x', { n: 1, m: [2] });
    driver.commit();
    driver.take();
    const { revision } = driver.control.define('a', 't', 'x', { m: [2], n: 1 });
    expect(committed(driver)).toEqual([]);
    const name = { kind: 'a', scope: 't', id: 'x' };
    const stored = driver.disk.reader().snapshot((table) => readApplied(table(CONTROL_TABLE), name));
    expect(stored).toMatchObject({ revision, text: '{"m":[2],"n":1}', refusals: [] });
    driver.control.define('a', 't', 'x', 2);
    expect(committed(driver)).toEqual(['one-t/x={"n":1,"m":[2]}', 'one+t/x=2']);
    driver.control.remove('a', 't', 'x');
    expect(committed(driver)).toEqual(['one-t/x=2']);
    expect(applied(driver)).toEqual([]);
  });

  it('is there again after a restart, before the first batch and whether the bucket is known or not', async () => {
    let driver = await TestDriver.start(build);
    driver.control.define('a', 't', 'x', 1);
    driver.control.define('a', 't', 'gone', 1);
    driver.commit();
    driver.control.remove('a', 't', 'gone');
    driver.control.define('a', 't', 'new', 1);
    driver = await driver.restart();
    expect(committed(driver)).toEqual(['one+t/gone=1', 'one+t/x=1', 'one-t/gone=1', 'one+t/new=1']);
  });

  it('that an operator refuses says why, and counts for the others; the task goes on', async () => {
    let driver = await TestDriver.start((input: Stream<string>) =>
      input.pipe(tell('one', ['a']), tell('two', ['a'])),
    );
    driver.control.define('a', 't', 'x', 'bad');
    driver.control.define('a', 't', 'y', 'broken');
    await driver.push('row');
    expect(committed(driver)).toEqual(['row']);
    const refused = [
      ['a/x', '"bad"', 'one: bad_body', 'two: bad_body'],
      ['a/y', '"broken"', 'one: definition_failed', 'two: definition_failed'],
    ];
    expect(applied(driver)).toEqual(refused);
    expect(driver.counter('millrace.control.refused')).toBe(2);
    driver = await driver.restart();
    driver.commit();
    expect(applied(driver)).toEqual(refused);
    driver.control.define('a', 't', 'x', 'good');
    driver.control.remove('a', 't', 'y');
    // Who did not take it has nothing to forget.
    expect(committed(driver)).toEqual(['one+t/x="good"', 'two+t/x="good"']);
    expect(applied(driver)).toEqual([['a/x', '"good"']]);
  });

  it('goes when no operator takes its kind any more, and comes when one does', async () => {
    const first = await TestDriver.start(build);
    first.control.define('a', 't', 'x', 1);
    first.control.define('b', 't', 'y', 1);
    const snapshot = first.snapshot();
    const fewer = (input: Stream<string>) => input.pipe(tell('one', []), tell('two', ['b']));
    const driver = await TestDriver.start(fewer, {
      snapshot,
    });
    expect(committed(driver)).toEqual(['two+t/y=1']);
    expect(applied(driver)).toEqual([['b/y', '1']]);
    const again = await TestDriver.start(build, { snapshot: driver.snapshot() });
    expect(committed(again)).toEqual(['one+t/y=1', 'one+t/x=1', 'two+t/y=1']);
  });

  it('is in the digest by what it says, not by when it was made', async () => {
    const digestOf = async (...bodies: readonly unknown[]): Promise<string> => {
      const driver = await TestDriver.start(build);
      for (const [at, body] of bodies.entries()) {
        driver.control.define('a', 't', 'x', body);
        if (at % 2 === 0) driver.commit();
      }
      driver.commit();
      return driver.digest();
    };
    expect(await digestOf(1, 3, 2)).toBe(await digestOf(2));
    expect(await digestOf(1)).not.toBe(await digestOf(2));
  });
});

describe('limits of definitions', () => {
  it('cut by name, whatever the order of their making; room that is made is used', async () => {
    const counting = topology('counting', (t) => {
      t.source('in').pipe(tell('one', ['a']) as never);
    });
    const random = new SeededRandom(3);
    const ids = Array.from({ length: 7 }, (_, at) => `id${at}`);
    for (let run = 0; run < 5; run++) {
      const driver = await TopologyTestDriver.start(counting, {
        definitionLimits: { kind_max_definitions: 4, kind_max_bytes: 1_000, body_max_bytes: 30 },
      });
      for (const id of random.shuffled(ids)) {
        driver.control.define('a', 't', id, id);
        if (random.chance(0.5)) driver.commit();
      }
      driver.control.define('a', 't', 'a-large', 'x'.repeat(40));
      driver.commit();
      const states = () =>
        driver.disk
          .reader()
          .snapshot((table) =>
            listApplied(table(CONTROL_TABLE), 'a').map(
              ({ id, refusals }) => `${id} ${refusals[0]?.code ?? ''}`,
            ),
          );
      expect(states()).toEqual([
        'a-large definition_too_large',
        ...['id0 ', 'id1 ', 'id2 ', 'id3 '],
        ...['id4 definitions_full', 'id5 definitions_full', 'id6 definitions_full'],
      ]);
      driver.control.remove('a', 't', 'id1');
      driver.commit();
      expect(states().slice(1, 5)).toEqual(['id0 ', 'id2 ', 'id3 ', 'id4 ']);
    }
  });
});

describe('the simulation', () => {
  it('makes definitions at any moment, with crashes, and comes to the state of those that are there', async () => {
    let made = 0;
    const report = await simulateSeeds({
      topology: () =>
        topology('telling', (t) => {
          t.source('in').pipe(tell('one', ['a']) as never);
        }),
      generate: () => Array.from({ length: 40 }, () => ({ subject: 's', data: Buffer.from('x') })),
      definitions: (_, random) =>
        Array.from({ length: 12 }, () => ({
          ...{ kind: 'a', scope: 't', id: random.pick(['x', 'y', 'z']) },
          ...(random.chance(0.7) ? { body: random.int(1, 9) } : {}),
        })),
      duplicates: 0,
      seeds: 60,
      onSeed: (_, { progress }) => {
        made += progress.control?.revision ?? 0;
      },
    });
    expect(report.failure).toBeUndefined();
    expect(report.crashes).toBeGreaterThan(20);
    expect(made).toBeGreaterThan(100);
  });
});
