import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import type { KpiAnswer } from '../analytics/index.ts';
import { machine, median, withScratch } from './rig.ts';
import type { ScanAsk, ScanTold } from './scan-child.ts';
import { DuckTable } from './scan-duckdb.ts';
import { writeShopLog } from './scan-load.ts';
import {
  attributionQuery,
  funnelQuery,
  KPIS_SQL,
  kpisQuery,
  PERIODS_DISTINCT_SQL,
  PERIODS_SQL,
  retentionQuery,
  STEPS_SQL,
} from './scan-sql.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 10_000_000);
const CUSTOMERS = Number(process.env.BENCH_CUSTOMERS ?? 200_000);
/** Until what is compiled while it runs is compiled. */
const WARM_UPS = 3;
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 5);
/** Of the executor's scan threads; on a busy machine DuckDB's would otherwise get more of it. */
const SCAN_NICENESS = 5;

interface Question {
  readonly kind: ScanAsk['kind'];
  readonly query: unknown;
  readonly sql: string;
  /** Both answers in one form. */
  readonly ours: (answer: unknown) => unknown;
  readonly theirs: (rows: readonly unknown[][]) => unknown;
}

const QUESTIONS: Readonly<Record<string, Question>> = {
  funnel: {
    ...{ kind: 'funnel', query: funnelQuery, sql: STEPS_SQL },
    ours: (answer) => (answer as FunnelCounts).body.steps.map(({ count }) => count),
    theirs: ([row = []]) => row.map(Number),
  },
  retention: {
    ...{ kind: 'retention', query: retentionQuery, sql: PERIODS_SQL },
    ours: (answer) => cohortsOf(answer as RetentionTable),
    theirs: (rows) => rows.map((row) => row.map(Number).join()),
  },
  retention_distinct: {
    ...{ kind: 'retention', query: retentionQuery, sql: PERIODS_DISTINCT_SQL },
    ours: (answer) => cohortsOf(answer as RetentionTable),
    theirs: (rows) => rows.map((row) => row.map(Number).join()),
  },
  group_by: {
    ...{ kind: 'kpis', query: kpisQuery, sql: KPIS_SQL },
    ours: (answer) => groupsOf(answer as KpiAnswer).sort(),
    theirs: (rows) => rows.map((row) => row.map(String).join()).sort(),
  },
};

interface FunnelCounts {
  readonly body: { readonly steps: readonly { readonly count: number }[] };
}

interface RetentionTable {
  readonly body: {
    readonly cohorts: readonly { readonly periods: readonly { readonly returned: number | null }[] }[];
  };
}

/** `cohort,months later,customers`, as SQL says it: no line where there are none. */
function cohortsOf({ body }: RetentionTable): string[] {
  return body.cohorts.flatMap(({ periods }, cohort) =>
    periods.flatMap(({ returned }, later) =>
      (returned ?? 0) === 0 ? [] : [[cohort, later, returned].join()],
    ),
  );
}

function groupsOf({ groups }: KpiAnswer): string[] {
  return groups.map(({ key, totals }) => {
    return [key.campaign, key.category, totals.orders_count, totals.revenue].map(String).join();
  });
}

function asker(child: ChildProcess): (asked: ScanAsk) => Promise<ScanTold> {
  return (asked) =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`the scans ended with code ${code}`));
      child.once('exit', onExit);
      child.once('message', (told: ScanTold) => {
        child.off('exit', onExit);
        resolve(told);
      });
      child.send(asked);
    });
}

/**
 * Questions about a year of a shop: ours over the log, by the kinds of query that the routes ask, in the executor's scan
 * threads, and DuckDB over its
 * native table with as many threads, by turns in one run. Answers are compared.
 */
export async function scanBench(): Promise<object> {
  process.stdout.write(`${machine()}\nwriting ${EVENTS} events of ${CUSTOMERS} customers\n`);
  setPriority(SCAN_NICENESS);
  return withScratch(async (folder) => {
    const duck = await DuckTable.create(`${folder}/duck.db`);
    const log_bytes = await writeShopLog(`${folder}/log`, EVENTS, CUSTOMERS, (rows) => duck.append(rows));
    await duck.finish();
    const child = fork(new URL('./scan-child.js', import.meta.url), [`${folder}/log`]);
    const ask = asker(child);
    const figures: Record<string, number> = {};
    let memory: ScanTold['memory'] = { rss_mib: 0, file_mib: 0, anon_mib: 0 };
    for (const [name, question] of Object.entries(QUESTIONS)) {
      const { kind, query, sql } = question;
      const ours: ScanTold[] = [];
      const theirs: Awaited<ReturnType<DuckTable['ask']>>[] = [];
      for (let repetition = -WARM_UPS; repetition < REPETITIONS; repetition++) {
        const [own, other] = [await ask({ kind, query }), await duck.ask(sql)];
        memory = own.memory;
        const [found, expected] = [question.ours(own.answer), question.theirs(other.rows)].map((answer) =>
          JSON.stringify(answer),
        );
        if (found !== expected) throw new Error(differenceOf(name, String(found), String(expected)));
        if (repetition < 0) continue;
        ours.push(own);
        theirs.push(other);
      }
      const ofOurs = medians(ours);
      const ofTheirs = medians(theirs);
      figures[`${name}_ratio`] = round(ofOurs.ms / ofTheirs.ms, 1_000);
      // Less of others' work on the machine is in it.
      figures[`${name}_cpu_ratio`] = round(ofOurs.cpu_ms / ofTheirs.cpu_ms, 1_000);
      figures[`${name}_ms`] = round(ofOurs.ms, 10);
      figures[`${name}_duckdb_ms`] = round(ofTheirs.ms, 10);
      const shown = (runs: readonly Times[]): string => runs.map(({ ms }) => Math.round(ms)).join();
      process.stdout.write(`${name}: ${shown(ours)} ms; DuckDB ${shown(theirs)} ms\n`);
    }
    const attributions: ScanTold[] = [];
    for (let repetition = -1; repetition < REPETITIONS; repetition++)
      attributions.push(await ask({ kind: 'attribution', query: attributionQuery }));
    figures.attribution_ms = round(medians(attributions.slice(1)).ms, 10);
    figures.attribution_cpu_ms = round(medians(attributions.slice(1)).cpu_ms, 10);
    const beside = (await ask({ kind: 'beside', query: undefined })).answer as Record<string, number>;
    for (const [name, value] of Object.entries(beside)) figures[name] = round(value, 10);
    child.send({ kind: 'end', query: undefined } satisfies ScanAsk);
    await new Promise((resolve) => child.once('exit', resolve));
    duck.close();
    const sizes = { rss_mib: memory.rss_mib, rss_of_file_mib: memory.file_mib };
    const bytes_a_row = round(log_bytes / EVENTS, 10);
    return { ...figures, ...sizes, bytes_a_row, events: EVENTS, customers: CUSTOMERS };
  });
}

interface Times {
  readonly ms: number;
  readonly cpu_ms: number;
}

function medians(runs: readonly Times[]): Times {
  return { ms: median(runs.map(({ ms }) => ms)), cpu_ms: median(runs.map(({ cpu_ms }) => cpu_ms)) };
}

function differenceOf(name: string, found: string, expected: string): string {
  let at = 0;
  while (found[at] === expected[at]) at++;
  const from = Math.max(0, at - 40);
  return `${name}: …${found.slice(from, at + 40)}… is not DuckDB's …${expected.slice(from, at + 40)}…`;
}

function round(value: number, digits: number): number {
  return Math.round(value * digits) / digits;
}
