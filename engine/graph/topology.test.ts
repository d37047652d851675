import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Signal } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { rawTable } from '../state/index.ts';
import { record, TaskFixture } from '../testing/fixture-task.ts';
import { defineOperator } from './define-operator.ts';
import { mergeSignals } from './merge.ts';
import { topology } from './topology.ts';

const pass = defineOperator<SourceRecord, SourceRecord>({
  kind: 'pass',
  summary: 'Passes on',
  start: ({ emit }) => ({ onBatch: (items) => emit(items) }),
});

/** Writes down all that reaches it. */
const collect = defineOperator<SourceRecord, SourceRecord, string[]>({
  kind: 'collect',
  summary: 'Writes down',
  start: ({ config, emit }) => ({
    onBatch: (items) => {
      config.push(items.map(({ sequence }) => sequence).join('+'));
      emit(items);
    },
    onWatermark: (time_ms) => void config.push(`w${time_ms}`),
    onBarrier: ({ commit }) => void config.push(`b${commit}`),
  }),
});

const stateful = defineOperator<SourceRecord, SourceRecord, undefined, { rows: ReturnType<typeof rawTable> }>(
  {
    kind: 'stateful',
    summary: 'Has state',
    state: () => ({ rows: rawTable({ version: 3 }) }),
    start: ({ emit }) => ({ onBatch: (items) => emit(items) }),
  },
);

const diamond = (seen: string[]) =>
  topology('diamond', (t) => {
    const first = t.source('in').pipe(pass('first', undefined));
    const left = first.pipe(pass('left', undefined), stateful('left-2', undefined));
    const right = first.pipe(pass('right', undefined));
    t.merge('both', left, right).pipe(collect('end', seen));
  });

describe('a topology', () => {
  it('describes its nodes in order, with inputs and tables', () => {
    const { name, nodes } = diamond([]).describe();
    expect(name).toBe('diamond');
    expect(nodes.map((node) => [node.name, node.kind, node.inputs])).toEqual([
      ['in', 'source', []],
      ['first', 'pass', ['in']],
      ['left', 'pass', ['first']],
      ['left-2', 'stateful', ['left']],
      ['right', 'pass', ['first']],
      ['both', 'merge', ['left-2', 'right']],
      ['end', 'collect', ['both']],
    ]);
    expect(nodes[3]?.state).toEqual({ rows: { kind: 'raw', version: 3 } });
    expect(
      diamond([])
        .tables()
        .map(({ id }) => id),
    ).toEqual(['left-2/rows']);
  });

  it('draws itself as a flowchart', () => {
    const lines = diamond([]).draw().split('\n');
    expect(lines[0]).toBe('flowchart LR');
    expect(lines).toContain('  in(["in<br/><i>source</i>"])');
    expect(lines).toContain('  left-2["left-2<br/><i>stateful</i><br/>rows"]');
    expect(lines).toContain('  right --> both');
  });

  it('draws names that Mermaid takes for its own words under others', () => {
    const drawn = topology('t', (t) => {
      t.source('graph').pipe(
        pass('end-of-day', undefined),
        pass('a--b', undefined),
        pass('weekend', undefined),
      );
    }).draw();
    expect(drawn.split('\n').slice(1)).toEqual([
      '  op_graph(["graph<br/><i>source</i>"])',
      '  op_end_of_day["end-of-day<br/><i>pass</i>"]',
      '  op_graph --> op_end_of_day',
      '  op_a__b["a--b<br/><i>pass</i>"]',
      '  op_end_of_day --> op_a__b',
      '  weekend["weekend<br/><i>pass</i>"]',
      '  op_a__b --> weekend',
    ]);
  });

  it('refuses two nodes of one name, and names that could not key state', () => {
    const twice = () =>
      topology('t', (t) => void t.source('a').pipe(pass('p', undefined), pass('p', undefined)));
    expect(twice).toThrow(expect.objectContaining({ code: 'duplicate_operator_name' }));
    for (const name of ['', 'A', '1a', 'a/b', 'a'.repeat(64)]) {
      expect(() => pass(name, undefined)).toThrow(expect.objectContaining({ code: 'bad_operator_name' }));
    }
  });

  it('gives each record to both branches of a diamond and one barrier to its end', async () => {
    const seen: string[] = [];
    const { task, source, commits } = new TaskFixture(diamond(seen));
    await task.open();
    source.takes.push([record(1, 'a'), record(2, 'b')]);
    await task.step(0);
    task.commit();
    task.commit();
    expect(seen).toEqual(['1+2', '1+2', 'b1', 'b2']);
    expect(commits.map(({ commit }) => commit)).toEqual([1, 2]);
  });

  it('with several ends commits when the barrier has reached all of them', async () => {
    const [one, two]: [string[], string[]] = [[], []];
    const split = topology('split', (t) => {
      const first = t.source('in');
      first.pipe(collect('one', one));
      first.pipe(pass('p', undefined), collect('two', two));
    });
    const { task, source } = new TaskFixture(split);
    await task.open();
    source.takes.push([record(1, 'a')]);
    await task.step(0);
    task.commit();
    expect([one, two]).toEqual([
      ['1', 'b1'],
      ['1', 'b1'],
    ]);
  });
});

describe('merge', () => {
  const merged = (inputs: number) => {
    const sources = Array.from({ length: inputs }, () => new Subject<Signal<number>>());
    const seen: Signal<number>[] = [];
    mergeSignals(sources).subscribe((signal) => seen.push(signal));
    return { sources, seen };
  };
  const mark = (time_ms: number): Signal<number> => ({ kind: 'watermark', time_ms });
  const barrier = (commit: number): Signal<number> => ({ kind: 'barrier', commit, now_ms: 0, idle_ms: 0 });

  it('takes the minimum of the watermarks once every input has one, and never moves back', () => {
    const { sources, seen } = merged(2);
    sources[0]?.next(mark(10));
    expect(seen).toEqual([]);
    sources[1]?.next(mark(5));
    sources[1]?.next(mark(7));
    sources[0]?.next(mark(11));
    sources[1]?.next(mark(20));
    expect(seen).toEqual([mark(5), mark(7), mark(11)]);
  });

  it('passes a barrier on when all inputs have sent theirs', () => {
    const { sources, seen } = merged(3);
    for (const commit of [1, 2]) {
      for (const source of sources) {
        expect(seen.length).toBe(commit - 1);
        source.next(barrier(commit));
      }
    }
    expect(seen).toEqual([barrier(1), barrier(2)]);
  });

  it('passes batches and errors on at once', () => {
    const { sources, seen } = merged(2);
    sources[1]?.next({ kind: 'batch', items: [1] });
    expect(seen).toEqual([{ kind: 'batch', items: [1] }]);
    let failed: unknown;
    const failing = new Subject<Signal<number>>();
    mergeSignals([failing]).subscribe({ error: (error) => (failed = error) });
    failing.error('broken');
    expect(failed).toBe('broken');
  });
});

describe('a topology under construction', () => {
  it('takes no stream of another one', () => {
    topology('one', (one) => {
      const mine = one.source('mine');
      topology('two', (two) => {
        const other = two.source('other');
        const refused = expect.objectContaining({
          code: 'bad_config',
          message: expect.stringContaining('"mine"'),
        });
        expect(() => two.merge('both', other, mine)).toThrow(refused);
        expect(() => other.connect(mine, pass('join', undefined) as never)).toThrow(refused);
      });
    });
  });

  it('says of what kind two nodes of one name are', () => {
    expect(() => topology('twice', (t) => void t.source('sla').pipe(pass('sla', undefined)))).toThrow(
      '"sla" (source and pass)',
    );
  });
});
