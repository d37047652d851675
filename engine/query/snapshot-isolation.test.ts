import { afterEach, describe, expect, it, vi } from 'vitest';
import { fc } from '../../test/property.ts';
import { cells, openRig, type Rig } from './fixture-executor.ts';
import { type SumQuery, sumKind } from './fixture-kinds.ts';
import { sumAt } from './fixture-state.ts';
import { startModuleThread } from './module-thread.ts';

const PATIENTLY = { timeout: 60_000, interval: 2 };
const scope = 'acme';
let rig: Rig | undefined;

afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

/** Waits until `count` parts stand at the gate. */
async function atGate(gate: Int32Array<SharedArrayBuffer>, count: number): Promise<void> {
  await vi.waitFor(() => expect(Atomics.load(gate, 0)).toBe(count), PATIENTLY);
}

function open(gate: Int32Array<SharedArrayBuffer>, count: number): void {
  Atomics.store(gate, 1, count);
  Atomics.notify(gate, 1);
}

describe('one answer, one commit', () => {
  it('commits that only add do not concern a plan that was made before', async () => {
    rig = await openRig();
    for (let commit = 0; commit < 3; commit++) rig.writer.commit();
    const gate = cells(2);
    const run = rig.executor.run(sumKind, { withCube: true, gate: gate.buffer }, { scope });
    await atGate(gate, 1);
    rig.writer.commit();
    open(gate, 99);
    const { answer, progress, ran } = await run;
    expect(answer).toMatchObject({ sum: sumAt(3), cube: sumAt(3) });
    expect([progress?.commit, ran, rig.metric('stale_plans')]).toEqual([3, 'split', 0]);
  });

  it('a merge between two parts makes the plan stale: it is made again, of the newer commit', async () => {
    rig = await openRig();
    for (let commit = 0; commit < 3; commit++) rig.writer.commit();
    const gate = cells(2);
    const run = rig.executor.run(sumKind, { withCube: true, gate: gate.buffer }, { scope });
    await atGate(gate, 1);
    rig.writer.commit({ merge: true });
    open(gate, 99);
    const { answer, progress, ran } = await run;
    expect(answer).toMatchObject({ sum: sumAt(4), cube: sumAt(4) });
    expect([progress?.commit, ran, rig.metric('stale_plans')]).toEqual([4, 'split', 1]);
  });

  it('a query that merges keep overtaking runs in one snapshot, which none can touch', async () => {
    rig = await openRig();
    const { writer, executor, metric } = rig;
    for (let commit = 0; commit < 3; commit++) writer.commit();
    const gate = cells(2);
    const run = executor.run(sumKind, { withCube: true, gate: gate.buffer }, { scope });
    await atGate(gate, 1);
    writer.commit({ merge: true });
    writer.commit();
    open(gate, 1);
    // The second part was stale; the first of the second plan stands here now.
    await atGate(gate, 2);
    writer.commit({ merge: true });
    writer.commit();
    open(gate, 2);
    // Now everything in one snapshot: a merge under it changes nothing.
    await atGate(gate, 3);
    writer.commit({ merge: true });
    open(gate, 99);
    const { answer, progress, ran } = await run;
    expect(answer).toMatchObject({ sum: sumAt(7), cube: sumAt(7) });
    expect([progress?.commit, ran, metric('stale_plans')]).toEqual([7, 'whole', 2]);
  });

  it('a query that waited for its place is planned when it has it', async () => {
    const one = { running_max: { short: 1, long: 1 }, waiting_max: 8 };
    rig = await openRig({ admission: { all: one, tenant: one, key: one } });
    rig.writer.commit();
    const gate = cells(2);
    const first = rig.executor.run(sumKind, { gate: gate.buffer }, { scope });
    const second = rig.executor.run(sumKind, {}, { scope });
    await atGate(gate, 1);
    rig.writer.commit({ merge: true });
    open(gate, 99);
    expect((await first).answer.sum).toBe(sumAt(1));
    expect((await second).answer.sum).toBe(sumAt(2));
    expect(rig.metric('stale_plans')).toBe(0);
  });
});

describe('beside a writer that commits and merges at full speed', () => {
  const query = fc.record({
    withCube: fc.boolean(),
    cost_ms: fc.constantFrom(1, 100, 1_000),
    cube_ms: fc.constantFrom(0.1, 500),
    bytes: fc.constantFrom(24, 24, 24, 300_000),
    finishIn: fc.constantFrom('api' as const, 'thread' as const),
  });

  it('every answer is the brute force at its commit', async () => {
    rig = await openRig({ threads: 2 });
    const { executor, path } = rig;
    const thread = new URL(
      import.meta.url.endsWith('.ts') ? './fixture-writer.ts' : './fixture-writer.js',
      import.meta.url,
    );
    const writer = startModuleThread(thread, { workerData: path });
    await vi.waitFor(
      async () => expect((await executor.plan(sumKind, {}, { scope })).parts).toBeGreaterThan(0),
      PATIENTLY,
    );
    const ran = new Map<string, number>();
    const check = async (asked: SumQuery): Promise<void> => {
      const { answer, progress, ran: where, plan } = await executor.run(sumKind, asked, { scope });
      const commit = progress?.commit ?? 0;
      ran.set(where, (ran.get(where) ?? 0) + 1);
      expect({ commit, ...answer }).toMatchObject({
        commit,
        sum: sumAt(commit),
        cube: asked.withCube === true ? sumAt(commit) : null,
        rows: plan.rows,
      });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(query, { minLength: 4, maxLength: 4 }), async (asked) => {
        await Promise.all(asked.map(check));
      }),
      { seed: 20_260_801, numRuns: 60 },
    );
    const commits = await new Promise<number>((resolve) => {
      writer.once('message', resolve);
      writer.postMessage('stop');
    });
    // It was a run worth its name: the writer was busy, and each way of running was used.
    expect(commits).toBeGreaterThan(50);
    expect(Object.fromEntries(ran)).toMatchObject({
      inline: expect.any(Number),
      split: expect.any(Number),
      whole: expect.any(Number),
    });
  });
});
