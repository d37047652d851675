import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../errors.ts';
import type { KvReader, KvView } from '../kv.ts';
import { META_TABLE, readProgress } from '../meta.ts';
import { openLmdbReader } from '../store-lmdb.ts';
import { CancelFlag } from './cancel.ts';
import type { QueryContext } from './kind.ts';
import { type KindRegistry, loadKinds } from './registry.ts';
import { PlanStale, sendError } from './run-error.ts';
import { addPart, addParts, finishesInThread, headOf, mergeAll, planWithin } from './run-parts.ts';
import type {
  FinishTask,
  FromThread,
  Outcome,
  PartTask,
  ScanResult,
  ScanTask,
  ScanThreadOrder,
  ToThread,
  WholeTask,
} from './scan-message.ts';
import { ownBytes } from './scan-message.ts';

type Table = (name: string) => KvView;

/** Of -20 to 19: about a third of the time of an ordinary thread, where there is not enough for both. */
const SCAN_NICENESS = 5;

/** Runs tasks one after the other on snapshots of its own. It keeps nothing of a query between two tasks. */
class ScanThread {
  readonly #reader: KvReader;
  readonly #kinds: KindRegistry;

  constructor(reader: KvReader, kinds: KindRegistry) {
    this.#reader = reader;
    this.#kinds = kinds;
  }

  run(task: ScanTask, cancel: CancelFlag): ScanResult {
    cancel.check();
    return this.#reader.snapshot((table) => {
      if (task.task === 'part') return this.#part(task, table, cancel);
      return task.task === 'finish' ? this.#finish(task, table) : this.#whole(task, table, cancel);
    });
  }

  #part(task: PartTask, table: Table, cancel: CancelFlag): ScanResult {
    const { scope, now_ms, progress, head, work, sum, limits } = task;
    requireAsNew(table, progress?.commit ?? 0);
    const context: QueryContext = { table, scope, now_ms, progress };
    const bytes = addPart(this.#kinds.get(task.kind), context, head, work, { sum, cancel, limits });
    return { task: 'part', bytes: ownBytes(bytes) };
  }

  #finish({ kind: name, scope, now_ms, progress, head, sums, limits }: FinishTask, table: Table): ScanResult {
    requireAsNew(table, progress?.commit ?? 0);
    const kind = this.#kinds.get(name);
    const context: QueryContext = { table, scope, now_ms, progress };
    const bytes = mergeAll(kind, head, sums, limits);
    const isHere = finishesInThread(kind, head, bytes?.byteLength ?? 0);
    const outcome: Outcome = isHere
      ? { done: true, answer: kind.finish(context, head, bytes) }
      : { done: false, bytes: bytes === undefined ? undefined : ownBytes(bytes) };
    return { task: 'finish', outcome };
  }

  #whole(
    { kind: name, query, scope, now_ms, limits }: WholeTask,
    table: Table,
    cancel: CancelFlag,
  ): ScanResult {
    const kind = this.#kinds.get(name);
    const progress = readProgress(table(META_TABLE));
    const context: QueryContext = { table, scope, now_ms, progress };
    const plan = planWithin(kind, context, query, limits);
    const head = headOf(plan);
    const bytes = addParts(kind, context, head, plan.parts, { cancel, limits });
    const isHere = finishesInThread(kind, head, bytes?.byteLength ?? 0);
    const outcome: Outcome = isHere
      ? { done: true, answer: kind.finish(context, head, bytes) }
      : { done: false, bytes: bytes === undefined ? undefined : ownBytes(bytes) };
    return { task: 'whole', head, progress, outcome };
  }
}

/** A part never runs on a state that is older than its plan, which may name what is not there yet. */
function requireAsNew(table: Table, planned: number): void {
  const commit = readProgress(table(META_TABLE))?.commit ?? 0;
  if (commit < planned) throw new PlanStale(`Commit ${planned} (the thread sees ${commit})`);
}

/** Requests and the pipeline go first. On Linux a priority is a thread's own; elsewhere it would be the process'. */
function stepBack(): void {
  if (process.platform === 'linux') setPriority(0, SCAN_NICENESS);
}

function handedOver(result: ScanResult): ArrayBuffer[] {
  const bytes =
    result.task === 'part' ? result.bytes : result.outcome.done ? undefined : result.outcome.bytes;
  return bytes === undefined ? [] : [bytes.buffer as ArrayBuffer];
}

async function scanThread({ path, reader: options, modules, config }: ScanThreadOrder): Promise<void> {
  const port = parentPort;
  invariant(port !== null, 'scans run in a worker thread');
  stepBack();
  const kinds = await loadKinds(modules, config);
  const reader = openLmdbReader(path, options);
  const thread = new ScanThread(reader, kinds);
  port.on('message', (message: ToThread) => {
    if (message.say === 'stop') {
      port.close();
      void reader.close();
      return;
    }
    const started_ms = performance.now();
    const reply = (said: FromThread, transfer: ArrayBuffer[]): void => port.postMessage(said, transfer);
    try {
      const result = thread.run(message.run, new CancelFlag(message.flag));
      reply({ say: 'done', result, busy_ms: performance.now() - started_ms }, handedOver(result));
    } catch (thrown) {
      reply({ say: 'failed', error: sendError(thrown), busy_ms: performance.now() - started_ms }, []);
    }
  });
}

if (!isMainThread) await scanThread(workerData as ScanThreadOrder);
