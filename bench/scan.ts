import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { DICTIONARY_TABLE, type KpiAnswer, OPERATORS, rowSchema } from '../analytics/index.ts';
import { Dictionary, LogWriter, openLmdbStore } from '../engine/index.ts';
import { eventLogView } from '../operators/index.ts';
import { machine, median, withScratch } from './rig.ts';
import type { ScanAsk, ScanTold } from './scan-child.ts';
import { DuckTable } from './scan-duckdb.ts';
import { ShopBatch, shopRows } from './scan-rows.ts';
import { KPIS_SQL, kpisQuery, PERIODS_SQL, periodsQuery, STEPS_SQL, stepsQuery } from './scan-sql.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 10_000_000);
const CUSTOMERS = Number(process.env.BENCH_CUSTOMERS ?? 200_000);
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 5);
/** Rows of a commit, as a task at full speed has them. */
const COMMIT_ROWS = 50_000;
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
    ...{ kind: 'steps', query: stepsQuery, sql: STEPS_SQL },
    ours: (answer) => answer,
    theirs: ([row = []]) => row.map(Number),
  },
  retention: {
    ...{ kind: 'periods', query: periodsQuery, sql: PERIODS_SQL },
    ours: (answer) =>
      (answer as number[]).flatMap((count, at) =>
        count === 0 ? [] : [[Math.floor(at / 12), at % 12, count].join()],
      ),
    theirs: (rows) => rows.map((row) => row.map(Number).join()),
  },
  group_by: {
    ...{ kind: 'kpis', query: kpisQuery, sql: KPIS_SQL },
    ours: (answer) => groupsOf(answer as KpiAnswer).sort(),
    theirs: (rows) => rows.map((row) => row.map(String).join()).sort(),
  },
};

function groupsOf({ groups }: KpiAnswer): string[] {
  return groups.map(({ key, totals }) => {
    return [key.campaign, key.category, totals.orders_count, totals.revenue].map(String).join();
  });
}

/** The same rows into a log and into DuckDB. */
async function load(folder: string, duck: DuckTable): Promise<number> {
  const store = openLmdbStore(folder, { durable: false });
  const tables = eventLogTables(store);
  const dictionary = new Dictionary();
  const writer = new LogWriter(tables, rowSchema());
  const batch = new ShopBatch(dictionary);
  const next = shopRows(EVENTS, CUSTOMERS);
  for (let rows = next(COMMIT_ROWS); rows !== undefined; rows = next(COMMIT_ROWS)) {
    writer.append(batch.fill(rows));
    store.transaction(() => {
      dictionary.flush(store.table(DICTIONARY_TABLE));
      writer.commit(tables);
    });
    duck.append(rows);
  }
  const { bytes } = writer.totals();
  await store.close();
  await duck.finish();
  return bytes;
}

function eventLogTables(store: ReturnType<typeof openLmdbStore>) {
  const { segments, chunks } = eventLogView(store.table, OPERATORS.log);
  return { segments, chunks } as {
    segments: ReturnType<typeof store.table>;
    chunks: ReturnType<typeof store.table>;
  };
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
 * Three questions about a year of a shop: ours over the log, in the executor's scan threads, and DuckDB over its
 * native table with as many threads, by turns in one run. Answers are compared.
 */
export async function scanBench(): Promise<object> {
  process.stdout.write(`${machine()}\nwriting ${EVENTS} events of ${CUSTOMERS} customers\n`);
  setPriority(SCAN_NICENESS);
  return withScratch(async (folder) => {
    const duck = await DuckTable.create(`${folder}/duck.db`);
    const log_bytes = await load(`${folder}/log`, duck);
    const child = fork(new URL('./scan-child.js', import.meta.url), [`${folder}/log`]);
    const ask = asker(child);
    const figures: Record<string, number> = {};
    let memory: ScanTold['memory'] = { rss_mib: 0, file_mib: 0 };
    for (const [name, question] of Object.entries(QUESTIONS)) {
      const { kind, query, sql } = question;
      const [ours_ms, theirs_ms]: [number[], number[]] = [[], []];
      // The first time warms both.
      for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
        const ours = await ask({ kind, query });
        const theirs = await duck.ask(sql);
        memory = ours.memory;
        const [found, expected] = [question.ours(ours.answer), question.theirs(theirs.rows)].map((answer) =>
          JSON.stringify(answer),
        );
        if (found !== expected) throw new Error(differenceOf(name, String(found), String(expected)));
        if (repetition === 0) continue;
        ours_ms.push(ours.ms);
        theirs_ms.push(theirs.ms);
      }
      figures[`${name}_ratio`] = round(median(ours_ms) / median(theirs_ms), 1_000);
      figures[`${name}_ms`] = round(median(ours_ms), 10);
      figures[`${name}_duckdb_ms`] = round(median(theirs_ms), 10);
      process.stdout.write(
        `${name}: ${ours_ms.map(Math.round).join()} ms; DuckDB ${theirs_ms.map(Math.round).join()} ms\n`,
      );
    }
    child.send({ kind: 'end', query: undefined } satisfies ScanAsk);
    await new Promise((resolve) => child.once('exit', resolve));
    duck.close();
    const sizes = { rss_mib: memory.rss_mib, rss_of_file_mib: memory.file_mib };
    const bytes_a_row = round(log_bytes / EVENTS, 10);
    return { ...figures, ...sizes, bytes_a_row, events: EVENTS, customers: CUSTOMERS };
  });
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
