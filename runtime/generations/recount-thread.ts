import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  applyFixes,
  CUBE_TABLES,
  Recounting,
  recountDays,
  type StateCells,
  stateCells,
} from '../../analytics/index.ts';
import { connectNats } from '../../connectors/index.ts';
import {
  asMillraceError,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  stepBack,
} from '../../engine/index.ts';
import { BACKGROUND_NICENESS } from './background.ts';
import { buildCancelled } from './errors.ts';
import { withEventIds } from './event-ids.ts';
import { Pacer } from './pace.ts';
import type { RecountOrder, RecountOutcome, RecountReport, RecountThreadData } from './recount-message.ts';

/**
 * Counts days of cubes anew from the log, each in one snapshot, and puts what is wrong right in one transaction. Cells
 * are sums: each gets the difference, so that what the live task adds meanwhile stays.
 */
async function recount(
  order: RecountOrder,
  report: (message: RecountReport) => void,
  requireGoingOn: () => void,
): Promise<Omit<RecountOutcome, 'generation'>> {
  const { statePath, custom, of, isDry } = order;
  const pacer = new Pacer(order.pace);
  const reader = openLmdbReader(statePath, { sharedWithWriter: true });
  let state: StateCells | undefined;
  try {
    const days = reader.snapshot((table) => {
      state = stateCells(table, custom, state);
      return recountDays(state, of);
    });
    const counting = new Recounting(of);
    for (const [at, day] of days.entries()) {
      requireGoingOn();
      reader.snapshot((table) => {
        state = stateCells(table, custom, state);
        counting.day(state, day);
      });
      await pacer.rest(requireGoingOn);
      report({ kind: 'progress', done: at + 1, total: days.length });
    }
    const { report: cells, fixes, ...counts } = counting.result();
    const wrong = fixes.reduce((sum, { additions }) => sum + additions.length, 0);
    if (!isDry && wrong > 0) {
      const store = openLmdbStore(statePath);
      try {
        store.transaction(() => {
          const tables = { cells: store.table(CUBE_TABLES.cells), days: store.table(CUBE_TABLES.days) };
          const now = stateCells((name) => store.table(name), custom, state);
          applyFixes(tables, now, fixes);
        });
      } finally {
        await store.close();
      }
    }
    return { cells, fixed: isDry ? 0 : wrong, ...counts };
  } finally {
    await reader.close();
  }
}

async function recountThread(order: RecountOrder): Promise<void> {
  const port = parentPort;
  if (port === null) throw new MillraceError('not_a_thread', 'A recount runs in a worker thread.');
  const report = (message: RecountReport): void => port.postMessage(message);
  let isCancelled = false;
  port.on('message', () => {
    isCancelled = true;
  });
  try {
    stepBack(BACKGROUND_NICENESS);
    const outcome = await recount(order, report, () => {
      if (isCancelled) throw buildCancelled();
    });
    report({ kind: 'done', outcome: { ...outcome, cells: await namedEvents(outcome.cells, order) } });
  } catch (thrown) {
    const { code, message, retriable } = asMillraceError(thrown);
    report({ kind: 'failed', code, message, retriable });
  } finally {
    port.close();
  }
}

async function namedEvents(
  cells: RecountOutcome['cells'],
  { nats }: RecountOrder,
): Promise<RecountOutcome['cells']> {
  if (cells.examples.length === 0) return cells;
  const link = await connectNats({ ...nats, name: 'millrace-recount' });
  try {
    return await withEventIds(cells, link);
  } finally {
    await link.close();
  }
}

function isRecountData(data: unknown): data is RecountThreadData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'recount';
}

if (!isMainThread && isRecountData(workerData)) await recountThread(workerData.order);
