import { setTimeout as sleep } from 'node:timers/promises';
import { dashboardQuestions } from './query-questions.ts';
import { call, fill, quantileOf, type RunningApp, until, withMonth } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000);
/** Events a second that come in while it is measured. */
const LIVE_PER_S = Number(process.env.BENCH_LIVE_PER_S ?? 5_000);
const WITHOUT_S = Number(process.env.BENCH_WITHOUT_S ?? 20);
const SLICE_MS = 200;
const PAUSE_MS = 20;
const LIMIT_MS = 1_800_000;

type Server = Parameters<typeof fill>[0];

interface Answer {
  readonly meta?: { readonly position?: { readonly EVENTS?: { readonly 0?: number } } };
}

interface Job {
  readonly status: string;
  readonly error: unknown;
  readonly progress: { readonly total: number | null };
  readonly result: { readonly pause_ms?: number; readonly cells?: unknown };
}

const positionOf = ({ meta }: Answer): number => meta?.position?.EVENTS?.[0] ?? 0;

/** What was seen while live traffic went in. */
interface Seen {
  readonly applied_per_s: number;
  /** Messages that the live state was behind, the largest. */
  readonly lag_max: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly requests: number;
}

/** Lets events come in and asks a dashboard's questions until `isDone`. */
async function live(app: RunningApp, server: Server, seed: number, isDone: () => boolean): Promise<Seen> {
  const now_ms = Date.now();
  const questions = dashboardQuestions(now_ms, 'none').filter(
    ({ hasView, path }) => hasView && path.startsWith('/kpis'),
  );
  let published = 0;
  const traffic = (async () => {
    const began_ms = performance.now();
    for (let slice = 0; !isDone(); slice++) {
      const count = Math.round(((performance.now() - began_ms) / 1_000) * LIVE_PER_S) - published;
      if (count > 0) {
        const options = { seed: seed * 100_000 + slice, start_ms: Date.now(), step_ms: 0.05, disorder_ms: 1 };
        await fill(server, count, options);
        published += count;
      }
      await sleep(SLICE_MS);
    }
  })();
  const times_ms: number[] = [];
  const [first] = questions;
  if (first === undefined) throw new Error('there are questions that have a view');
  const from = positionOf(await call<Answer>(app, first.path, first.body));
  const began_ms = performance.now();
  let to = from;
  let lag_max = 0;
  while (!isDone()) {
    for (const { path, body } of questions) {
      const sent_ms = performance.now();
      const answer = await call<Answer>(app, path, body);
      times_ms.push(performance.now() - sent_ms);
      to = Math.max(to, positionOf(answer));
      lag_max = Math.max(lag_max, from + published - to);
      await sleep(PAUSE_MS);
    }
  }
  const elapsed_s = (performance.now() - began_ms) / 1_000;
  await traffic;
  return {
    applied_per_s: Math.round((to - from) / elapsed_s),
    lag_max,
    p50_ms: round(quantileOf(times_ms, 0.5)),
    p99_ms: round(quantileOf(times_ms, 0.99)),
    requests: times_ms.length,
  };
}

async function backfilled(app: RunningApp): Promise<{ job: Job; elapsed_ms: number }> {
  const began_ms = performance.now();
  const { job_id } = await call<{ readonly job_id: string }>(app, '/jobs/backfill', { reason: 'bench' });
  let job: Job | undefined;
  const look = async (): Promise<boolean> => {
    job = await call<Job>(app, `/jobs/${job_id}`);
    return job.status !== 'queued' && job.status !== 'running';
  };
  await until(look, 250, LIMIT_MS);
  if (job?.status !== 'succeeded') throw new Error(`the backfill ended so: ${JSON.stringify(job)}`);
  return { job, elapsed_ms: performance.now() - began_ms };
}

/**
 * A shadow backfill while events come in and a dashboard asks: its events a second, reading, comparing, catching up and
 * the change together, and what live traffic and answers feel of it.
 */
export async function replayBench(): Promise<object> {
  return withMonth(EVENTS, measure);
}

async function measure(app: RunningApp, server: Server): Promise<object> {
  const [first] = dashboardQuestions(Date.now(), 'none');
  if (first === undefined) throw new Error('there are questions');
  const hasAll = async (): Promise<boolean> =>
    positionOf(await call<Answer>(app, first.path, first.body).catch((): Answer => ({}))) >= EVENTS;
  await until(hasAll, 250, LIMIT_MS);
  const until_ms = performance.now() + WITHOUT_S * 1_000;
  const without = await live(app, server, 2, () => performance.now() > until_ms);
  process.stdout.write(`without: ${JSON.stringify(without)}\n`);
  let isOver = false;
  const backfill = backfilled(app).finally(() => {
    isOver = true;
  });
  const [{ job, elapsed_ms }, meanwhile] = await Promise.all([backfill, live(app, server, 3, () => isOver)]);
  process.stdout.write(`meanwhile: ${JSON.stringify(meanwhile)}\n`);
  const events_per_s = Math.round(((job.progress.total ?? 0) / elapsed_ms) * 1_000);
  return {
    ...{ events_per_s, live_per_s: without.applied_per_s, elapsed_s: round(elapsed_ms / 1_000) },
    ratio_to_live: round(events_per_s / without.applied_per_s),
    live_slowdown: round(without.applied_per_s / meanwhile.applied_per_s),
    p99_ratio: round(meanwhile.p99_ms / without.p99_ms),
    ...{ without, meanwhile },
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
