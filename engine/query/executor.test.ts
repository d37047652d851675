import { afterEach, describe, expect, it, vi } from 'vitest';
import { cells, openRig, type Rig, type RigOptions } from './fixture-executor.ts';
import { busyKind, sumKind } from './fixture-kinds.ts';
import { sumAt } from './fixture-state.ts';
import { DEFAULT_ADMISSION, DEFAULT_QUERY_LIMITS } from './index.ts';

const PATIENTLY = { timeout: 60_000, interval: 5 };
const scope = 'acme';

let rigs: Rig[] = [];
async function rig(options: RigOptions = {}, commits = 5): Promise<Rig> {
  const made = await openRig(options);
  rigs.push(made);
  for (let commit = 0; commit < commits; commit++) made.writer.commit();
  return made;
}

afterEach(async () => {
  for (const each of rigs) await each.close();
  rigs = [];
});

describe('where a query runs', () => {
  it('a cheap one runs at once in the caller thread, without any thread being started', async () => {
    const { executor, metric } = await rig();
    const { answer, ran, progress, plan } = await executor.run(sumKind, { cost_ms: 1 }, { scope });
    expect(answer).toEqual({ sum: sumAt(5), rows: 65, cube: null, inThread: false });
    expect([ran, progress?.commit, plan.rows, metric('threads')]).toEqual(['inline', 5, 65, 0]);
  });

  it('one that reads what grows has its thread started before it needs one, and goes on at once', async () => {
    const { executor, metric } = await rig();
    const grown = { withCube: true, cost_ms: 2, cube_ms: 2 };
    for (let time = 0; time < 2; time++) {
      const { answer, ran } = await executor.run(sumKind, grown, { scope });
      expect([answer.sum, answer.cube, ran]).toEqual([sumAt(5), sumAt(5), 'inline']);
      expect(metric('threads')).toBe(1);
    }
  });

  it('an expensive one runs in the threads, its parts merged there', async () => {
    const { executor, metric } = await rig({ threads: 2 });
    const { answer, ran, progress } = await executor.run(sumKind, {}, { scope });
    expect(answer).toEqual({ sum: sumAt(5), rows: 65, cube: null, inThread: false });
    expect([ran, progress?.commit]).toEqual(['split', 5]);
    expect(metric('threads')).toBe(2);
    expect(metric('thread.time')).toBeGreaterThan(0);
    expect(metric('rows')).toBe(65);
  });

  it('cheap mutable parts run with the plan, the others in threads', async () => {
    const { executor } = await rig();
    const { answer, ran } = await executor.run(sumKind, { withCube: true }, { scope });
    expect([answer.sum, answer.cube, ran]).toEqual([sumAt(5), sumAt(5), 'split']);
  });

  it('dear mutable parts put the whole query into one snapshot of one thread', async () => {
    const { executor } = await rig({ threads: 2 });
    const { answer, ran, progress } = await executor.run(
      sumKind,
      { withCube: true, cube_ms: 500 },
      { scope },
    );
    expect([answer.sum, answer.cube, ran, progress?.commit]).toEqual([sumAt(5), sumAt(5), 'whole', 5]);
  });

  it('a state without rows has an answer, of a plan without parts', async () => {
    const { executor } = await rig({}, 0);
    const { answer, progress } = await executor.run(sumKind, {}, { scope });
    expect([answer.sum, progress]).toEqual([0, undefined]);
  });

  it('finishes in the thread where the kind wants it or the partial answers are large', async () => {
    const { executor } = await rig();
    const wanted = await executor.run(sumKind, { finishIn: 'thread' }, { scope });
    expect(wanted.answer).toMatchObject({ sum: sumAt(5), inThread: true });
    const large = await executor.run(sumKind, { bytes: 300_000 }, { scope });
    expect(large.answer).toMatchObject({ sum: sumAt(5), inThread: false });
    const whole = { withCube: true, cube_ms: 500, finishIn: 'thread' } as const;
    expect((await executor.run(sumKind, whole, { scope })).answer).toMatchObject({ inThread: true });
  });

  it('plans without running, with the word whether it would be run', async () => {
    const { executor, metric } = await rig();
    const cheap = await executor.plan(sumKind, { cost_ms: 1 }, { scope });
    expect(cheap).toMatchObject({ runs: 'inline', parts: 5, refused: undefined });
    const limits = { ...DEFAULT_QUERY_LIMITS, rows_max: 64 };
    const dear = await executor.plan(sumKind, { withCube: true, cube_ms: 99 }, { scope, limits });
    expect(dear).toMatchObject({ runs: 'whole', refused: { code: 'query_too_large' } });
    expect(metric('threads')).toBe(0);
  });
});

describe('limits', () => {
  it('refuses a plan over a limit before anything runs, and says how to ask for less', async () => {
    const { executor, metric } = await rig({ limits: { ...DEFAULT_QUERY_LIMITS, rows_max: 64 } });
    const error = await executor.run(sumKind, {}, { scope }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'query_too_large',
      message:
        'The query has 65 rows, 64 are allowed. To make it smaller, ask for a shorter range (start, end).',
      details: { of: 'rows', found: 65, allowed: 64 },
    });
    expect(metric('threads')).toBe(0);
    expect(metric('failed')).toBe(1);
  });

  it('stops a query whose partial answer outgrows its limit', async () => {
    const limits = { ...DEFAULT_QUERY_LIMITS, partial_bytes_max: 1_000 };
    const { executor } = await rig();
    const grown = executor.run(sumKind, { bytes: 2_000 }, { scope, limits });
    await expect(grown).rejects.toMatchObject({ code: 'query_too_large', details: { found: 2_000 } });
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
  });

  it('refuses a state that the caller does not accept', async () => {
    const { executor } = await rig();
    const accept = (): void => {
      throw new Error('too old');
    };
    await expect(executor.run(sumKind, {}, { scope, accept })).rejects.toThrow('too old');
    await expect(executor.plan(sumKind, {}, { scope, accept })).rejects.toThrow('too old');
  });

  it('runs and lets wait as many of a tenant as are allowed, and refuses more with a time to come back', async () => {
    const few = { running_max: { short: 1, long: 1 }, waiting_max: 1 };
    const { executor, metric } = await rig({ admission: { ...DEFAULT_ADMISSION, tenant: few } });
    const left = new AbortController();
    const { signal } = left;
    const running = executor.run(busyKind, { how: 'spin' }, { scope, signal });
    const waiting = executor.run(busyKind, { how: 'spin' }, { scope, signal });
    const both = Promise.allSettled([running, waiting]);
    await expect(executor.run(busyKind, { how: 'spin' }, { scope })).rejects.toMatchObject({
      code: 'too_many_queries',
      details: { of: 'tenant', waiting_max: 1 },
      retryAfter_ms: 20_000,
    });
    expect([metric('running'), metric('waiting')]).toEqual([1, 1]);
    left.abort();
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await vi.waitFor(() => expect(metric('running')).toBe(0), PATIENTLY);
    expect(metric('waiting')).toBe(0);
    // Who was cancelled left nothing behind.
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
  });

  it('another tenant is not concerned by one that has used up its places', async () => {
    const few = { running_max: { short: 1, long: 1 }, waiting_max: 0 };
    const { executor } = await rig({ threads: 2, admission: { ...DEFAULT_ADMISSION, tenant: few } });
    const left = new AbortController();
    const spinning = executor.run(busyKind, { how: 'spin' }, { scope: 'a', signal: left.signal });
    const refused = executor.run(busyKind, { how: 'spin' }, { scope: 'a' });
    await expect(refused).rejects.toMatchObject({ code: 'too_many_queries' });
    const other = executor.run(sumKind, { cost_ms: 200 }, { scope: 'b' });
    expect((await other).answer.sum).toBe(sumAt(5));
    left.abort();
    await expect(spinning).rejects.toMatchObject({ code: 'query_cancelled' });
  });
});

describe('fairness', () => {
  it('a short query does not wait behind long parts that have taken all the threads they may', async () => {
    const { executor, metric } = await rig({ threads: 2 });
    const left = new AbortController();
    const spin = { how: 'spin', parts: 8, cost_ms: 80_000 } as const;
    const spinning = executor.run(busyKind, spin, { scope, signal: left.signal });
    await vi.waitFor(() => expect(metric('threads_busy')).toBe(1), PATIENTLY);
    const short = await executor.run(sumKind, { cost_ms: 100 }, { scope });
    expect(short.answer.sum).toBe(sumAt(5));
    left.abort();
    await expect(spinning).rejects.toMatchObject({ code: 'query_cancelled' });
  });
});

describe('a thread that runs a long part', () => {
  it('makes room for short queries, one after the other, and goes on', async () => {
    const { executor, metric } = await rig();
    const left = new AbortController();
    const counts = cells(2);
    const poll = { how: 'spin', counts: counts.buffer } as const;
    const polling = executor.run(busyKind, poll, { scope, signal: left.signal });
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    for (let at = 0; at < 3; at++) {
      const short = await executor.run(sumKind, { cost_ms: 100 }, { scope });
      expect(short.answer.sum).toBe(sumAt(5));
    }
    await expect(executor.run(busyKind, { how: 'throw', cost_ms: 20 }, { scope })).rejects.toMatchObject({
      code: 'internal',
    });
    // One that is cancelled while it runs between ends, and nothing else.
    const short = executor.run(busyKind, { how: 'spin', cost_ms: 20 }, { scope, deadline_ms: 50 });
    await expect(short).rejects.toMatchObject({ code: 'query_timeout' });
    expect([metric('threads'), metric('threads_busy'), Atomics.load(counts, 0)]).toEqual([1, 1, 1]);
    left.abort();
    await expect(polling).rejects.toMatchObject({ code: 'query_cancelled' });
    await vi.waitFor(() => expect(metric('threads_busy')).toBe(0), PATIENTLY);
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
    expect(metric('threads')).toBe(1);
  });

  it('fails both where it ends', async () => {
    const { executor } = await rig();
    const counts = cells(2);
    const poll = { how: 'spin', counts: counts.buffer } as const;
    const polling = executor.run(busyKind, poll, { scope });
    const lost = expect(polling).rejects.toMatchObject({ code: 'query_thread_failed' });
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    const short = executor.run(busyKind, { how: 'exit', cost_ms: 20 }, { scope });
    await expect(short).rejects.toMatchObject({ code: 'query_thread_failed' });
    await lost;
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
  });
});

describe('cancellation', () => {
  it('stops the running scan, which frees the thread', async () => {
    const { executor, metric } = await rig();
    const left = new AbortController();
    const counts = cells(2);
    const query = { how: 'spin', parts: 3, counts: counts.buffer } as const;
    const running = executor.run(busyKind, query, { scope, signal: left.signal });
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    left.abort();
    await expect(running).rejects.toMatchObject({ code: 'query_cancelled' });
    // The part saw the flag and ended by itself: the thread was not killed, and the other parts never began.
    await vi.waitFor(() => expect(metric('threads_busy')).toBe(0), PATIENTLY);
    expect([...counts]).toEqual([1, 1]);
    expect(metric('threads')).toBe(1);
  });

  it('does not begin a query whose caller has left already', async () => {
    const { executor, metric } = await rig();
    const run = executor.run(busyKind, { how: 'spin' }, { scope, signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ code: 'query_cancelled' });
    expect(metric('threads')).toBe(0);
  });

  it('ends a query at its deadline', async () => {
    const { executor } = await rig();
    const run = executor.run(busyKind, { how: 'spin' }, { scope, deadline_ms: 50 });
    await expect(run).rejects.toMatchObject({ code: 'query_timeout', retriable: true });
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
  });

  it('ends the thread of a kind that does not listen, and goes on with another', async () => {
    const { executor, metric } = await rig();
    const counts = cells(2);
    const left = new AbortController();
    const deaf = executor.run(
      busyKind,
      { how: 'deaf', counts: counts.buffer },
      { scope, signal: left.signal },
    );
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    left.abort();
    await expect(deaf).rejects.toMatchObject({ code: 'query_cancelled' });
    // The caller is free at once, the place only when its thread is.
    expect(metric('running')).toBe(1);
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
    expect(metric('running')).toBe(0);
  });

  it('close ends what runs and waits, and takes nothing more', async () => {
    const one = { running_max: { short: 1, long: 1 }, waiting_max: 8 };
    const { executor, metric } = await rig({ admission: { ...DEFAULT_ADMISSION, all: one } });
    const runs = [1, 2, 3].map(() => executor.run(busyKind, { how: 'spin' }, { scope }));
    const ends = Promise.allSettled(runs);
    await vi.waitFor(() => expect(metric('threads_busy')).toBe(1), PATIENTLY);
    await executor.close();
    for (const end of await ends) {
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'queries_stopped' } });
    }
    const late = executor.run(sumKind, {}, { scope });
    await expect(late).rejects.toMatchObject({ code: 'queries_stopped' });
    expect(metric('threads')).toBe(0);
  });
});

describe('threads that fail', () => {
  it('the query of a thread that ends fails with a name, the next one has a new thread', async () => {
    const { executor } = await rig();
    const run = executor.run(busyKind, { how: 'exit' }, { scope });
    await expect(run).rejects.toMatchObject({ code: 'query_thread_failed', retriable: true });
    expect((await executor.run(sumKind, {}, { scope })).answer.sum).toBe(sumAt(5));
  });

  it("a kind's own fault is its query's error, and the thread stays", async () => {
    const { executor, metric } = await rig();
    const run = executor.run(busyKind, { how: 'throw', parts: 5 }, { scope });
    await expect(run).rejects.toMatchObject({ code: 'internal', message: 'a fault of the kind' });
    expect(metric('threads')).toBe(1);
  });

  it('modules that cannot be loaded fail the query, with the reason', async () => {
    const { executor } = await rig({ modules: [new URL('./no-such-kinds.ts', import.meta.url).href] });
    const run = executor.run(sumKind, {}, { scope });
    await expect(run).rejects.toMatchObject({ code: 'query_thread_failed' });
  });
});
