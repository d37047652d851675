import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MillraceError, type Part, type PartFailure } from '../../engine/index.ts';
import { type AskMember, Gatherer, type GatherLimits } from './gatherer.ts';

const REQUEST = { table: 't', query: { kind: 'key', key: 'k' } } as const;
const PARTITIONS = ['0', '1', '2'];

function answered(partition: string, value: unknown, role: Part['role'] = 'owner'): Part {
  const place = { position: { S: { [partition]: 5 } }, watermark_ms: 10 };
  return { ok: true, partition, role, epoch: 1, ...place, rows: [{ key: 'k', value }] };
}

function failed(partition: string, reason: PartFailure): Part {
  return { ok: false, partition, role: 'owner', epoch: 1, reason, message: `${partition} ${reason}` };
}

interface World {
  readonly gatherer: Gatherer;
  /** Which member was asked for which partitions, in order. */
  readonly log: string[];
}

/** Member `a` owns all, `b` stands by for all, unless said otherwise. */
function world(
  members: Readonly<Record<string, (partitions: readonly string[]) => Promise<readonly Part[]>>>,
  holders: (partition: string) => readonly string[] = () => ['a', 'b'],
  limits: Partial<GatherLimits> = {},
): World {
  const log: string[] = [];
  const ask: AskMember = async (member, { partitions = [] }) => {
    log.push(`${member}:${partitions.join(',')}`);
    const answer = members[member];
    if (answer === undefined) throw new MillraceError('no_responder', `${member} is gone`);
    return await answer(partitions);
  };
  const gatherer = new Gatherer({ ask, holders, limits: { again_ms: 5, timeout_ms: 3_000, ...limits } });
  return { gatherer, log };
}

const all = (member: string) => (partitions: readonly string[]) =>
  Promise.resolve(partitions.map((partition) => answered(partition, `${member}${partition}`)));

describe('gathering', () => {
  it('sends one request a process, whatever it holds', async () => {
    const { gatherer, log } = world({ a: all('a'), b: all('b') }, (partition) =>
      partition === '1' ? ['b', 'a'] : ['a', 'b'],
    );
    const answer = await gatherer.gather(PARTITIONS, REQUEST);
    expect(log.sort()).toEqual(['a:0,2', 'b:1']);
    expect(answer.ok && answer.rows.map(({ value }) => value)).toEqual(['a0', 'b1', 'a2']);
    expect(answer.ok && answer.missing).toEqual([]);
  });

  it('asks the standby at once where the owner is gone', async () => {
    const { gatherer, log } = world({ b: all('b') }, undefined, { hedge_ms: 60_000 });
    const answer = await gatherer.gather(PARTITIONS, REQUEST);
    expect(log).toEqual(['a:0,1,2', 'b:0,1,2']);
    expect(answer.ok && answer.missing).toEqual([]);
    expect(gatherer.counts).toEqual({ asked: 1, requests: 2, hedged: 0, incomplete: 0 });
  });

  it('asks the standby, too, where the owner is slow, and takes the first answer', async () => {
    const slow = async (): Promise<readonly Part[]> => {
      await sleep(60_000, undefined, { ref: false });
      return [];
    };
    const { gatherer } = world({ a: slow, b: all('b') }, undefined, { hedge_ms: 10 });
    const answer = await gatherer.gather(PARTITIONS, REQUEST);
    expect(answer.ok && answer.rows.map(({ value }) => value)).toEqual(['b0', 'b1', 'b2']);
    expect(gatherer.counts.hedged).toBe(1);
  });

  it('asks on for a partition that another process holds by now, or that is behind', async () => {
    let calls = 0;
    const behind = (partitions: readonly string[]): Promise<readonly Part[]> =>
      Promise.resolve(
        partitions.flatMap((partition) => {
          if (partition === '1') return [];
          return partition === '2' && ++calls < 4
            ? [failed(partition, 'not_up_to_bound')]
            : [answered(partition, `a${partition}`)];
        }),
      );
    const { gatherer } = world({ a: behind, b: all('b') }, (partition) =>
      partition === '2' ? ['a'] : ['a', 'b'],
    );
    const answer = await gatherer.gather(PARTITIONS, REQUEST);
    expect(answer.ok && answer.rows.map(({ value }) => value)).toEqual(['a0', 'b1', 'a2']);
    expect(calls).toBe(4);
  });

  it('names what it lacks at the deadline, and why', async () => {
    const hung = new Promise<never>(() => undefined);
    const { gatherer } = world(
      {
        a: (partitions) => (partitions.includes('0') ? all('a')(partitions) : hung),
        b: (partitions) => Promise.resolve(partitions.map((partition) => failed(partition, 'too_stale'))),
      },
      (partition) => ({ '0': ['a'], '1': ['b'], '2': ['c'], '3': [] })[partition] ?? [],
    );
    const answer = await gatherer.gather([...PARTITIONS, '3'], REQUEST, 60);
    expect(answer.ok && answer.parts.map(({ partition }) => partition)).toEqual(['0']);
    expect(answer.ok && answer.missing.map(({ partition, reason }) => [partition, reason])).toEqual([
      ['1', 'too_stale'],
      ['2', 'no_answer'],
      ['3', 'no_holder'],
    ]);
    expect(gatherer.counts.incomplete).toBe(1);
  });

  it('refuses at once what no partition can answer', async () => {
    const { gatherer } = world({
      a: (partitions) => Promise.resolve(partitions.map((partition) => failed(partition, 'unknown_query'))),
      b: all('b'),
    });
    const answer = await gatherer.gather(PARTITIONS, REQUEST);
    expect(answer).toEqual({ ok: false, reason: 'unknown_query', message: '0 unknown_query' });
  });
});
