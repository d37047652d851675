import { setTimeout as sleep } from 'node:timers/promises';
import { type DashboardQuestion, dashboardQuestions, STORED_FUNNEL } from './query-questions.ts';
import { call, quantileOf, type RunningApp, until, withMonth } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 2_000_000);
/** Event time between two events, ms: the stream covers a month. */
/** Pause between an answer and the next request, ms: one busy dashboard. */
const PAUSE_MS = 20;
const WARM_UPS = 3;

interface Answer {
  readonly meta?: { readonly position?: Position; readonly source?: string };
}

interface Position {
  readonly EVENTS?: { readonly 0?: number };
}

/** Answers to one question. */
interface Asked {
  readonly times_ms: number[];
  source: string | undefined;
}

function positionOf({ meta }: Answer): number {
  return meta?.position?.EVENTS?.[0] ?? 0;
}

/** Asks questions by turns until `isDone` says so after an answer. */
async function askByTurns(
  app: RunningApp,
  questions: readonly DashboardQuestion[],
  isDone: (answer: Answer) => boolean,
): Promise<ReadonlyMap<string, Asked>> {
  const asked = new Map(
    questions.map(({ name }): [string, Asked] => [name, { times_ms: [], source: undefined }]),
  );
  for (let turn = 0; ; turn++) {
    for (const { name, path, body } of questions) {
      const sent_ms = performance.now();
      const answer = await call<Answer>(app, path, body);
      const own = asked.get(name);
      if (own !== undefined && turn >= WARM_UPS) own.times_ms.push(performance.now() - sent_ms);
      if (own !== undefined) own.source = answer.meta?.source;
      // Each has been measured once at least.
      if (turn > WARM_UPS && isDone(answer)) return asked;
      await sleep(PAUSE_MS);
    }
  }
}

function figuresOf(asked: ReadonlyMap<string, Asked>): Readonly<Record<string, object>> {
  const shown = [...asked].map(([name, { times_ms, source }]) => [
    name,
    {
      ...{ p50_ms: round(quantileOf(times_ms, 0.5)), p99_ms: round(quantileOf(times_ms, 0.99)) },
      ...{ max_ms: round(Math.max(...times_ms)), requests: times_ms.length, source },
    },
  ]);
  return Object.fromEntries(shown) as Readonly<Record<string, object>>;
}

/** The commonest questions, of one dashboard and one analyst, while the pipeline works off a backlog at full speed. */
export async function queryBench(): Promise<object> {
  return withMonth(EVENTS, (app, _, end_ms) => askWhileIngesting(app, end_ms));
}

async function askWhileIngesting(app: RunningApp, end_ms: number): Promise<object> {
  const { id } = await call<{ readonly id: string }>(app, '/funnels', STORED_FUNNEL);
  const questions = dashboardQuestions(end_ms, id);
  const [views, scans] = [
    questions.filter(({ hasView }) => hasView),
    questions.filter(({ hasView }) => !hasView),
  ];
  const first = views[0] as DashboardQuestion;
  const applied = async (): Promise<number> => positionOf(await call<Answer>(app, first.path, first.body));
  await until(async () => (await applied().catch(() => 0)) > 0, 50, 20_000);
  const [from, began_ms] = [await applied(), performance.now()];
  let to = from;
  const isDone = (answer: Answer): boolean => {
    to = Math.max(to, positionOf(answer));
    return to >= EVENTS;
  };
  const [viewed, scanned] = await Promise.all([
    askByTurns(app, views, isDone),
    askByTurns(app, scans, isDone),
  ]);
  const all = [...viewed.values()].flatMap(({ times_ms }) => times_ms);
  return {
    questions: { ...figuresOf(viewed), ...figuresOf(scanned) },
    views_p50_ms: round(quantileOf(all, 0.5)),
    views_p99_ms: round(quantileOf(all, 0.99)),
    views_max_ms: round(Math.max(...all)),
    requests: all.length,
    ingest_events_per_s: Math.round((to - from) / ((performance.now() - began_ms) / 1_000)),
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
