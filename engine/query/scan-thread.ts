import {
  isMainThread,
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { invariant, stepBack } from '../base/index.ts';
import { type KvReader, type KvView, openLmdbReader } from '../state/index.ts';
import { META_TABLE, readProgress } from '../task/index.ts';
import { CancelFlag } from './cancel.ts';
import type { Cancel, QueryContext } from './kind.ts';
import { type KindRegistry, loadKinds } from './registry.ts';
import { PlanStale, sendError } from './run-error.ts';
import { addPart, addParts, finishesInThread, headOf, mergeAll, planWithin } from './run-parts.ts';
import {
  type FinishTask,
  type FromThread,
  type Outcome,
  ownBytes,
  type PartTask,
  type ScanResult,
  type ScanTask,
  type ScanThreadData,
  type ToThread,
  type WholeTask,
} from './scan-message.ts';

type Table = (name: string) => KvView;

/** Below its process: about a third of the time of its other threads, where there is not enough for both. */
const SCAN_NICENESS = 5;

/** Runs tasks one after the other on snapshots of its own. It keeps nothing of a query between two tasks. */
class ScanThread {
  readonly #reader: KvReader;
  readonly #kinds: KindRegistry;

  constructor(reader: KvReader, kinds: KindRegistry) {
    this.#reader = reader;
    this.#kinds = kinds;
  }

  run(task: ScanTask, cancel: Cancel): ScanResult {
    cancel.check();
    return this.#reader.snapshot((table) => {
      if (task.task === 'part') return this.#part(task, table, cancel);
      return task.task === 'finish' ? this.#finish(task, table) : this.#whole(task, table, cancel);
    });
  }

  #part(task: PartTask, table: Table, cancel: Cancel): ScanResult {
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

  #whole({ kind: name, query, scope, now_ms, limits }: WholeTask, table: Table, cancel: Cancel): ScanResult {
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

function handedOver(result: ScanResult): ArrayBuffer[] {
  const bytes =
    result.task === 'part' ? result.bytes : result.outcome.done ? undefined : result.outcome.bytes;
  return bytes === undefined ? [] : [bytes.buffer as ArrayBuffer];
}

/** Of the time of a unit between: how long the one that made room for it goes on before it does so again. */
const GOES_ON = 0.25;

/** Takes units from the pool. */
class UnitRunner {
  readonly #port: MessagePort;
  readonly #calls: Int32Array;
  readonly #thread: ScanThread;
  /** Has snapshots of its own, so that those of the unit that makes room stay. */
  readonly #between: () => ScanThread;
  /** Units of calls that were taken. */
  #answered = 0;
  #isStopped = false;

  constructor(port: MessagePort, calls: SharedArrayBuffer, thread: ScanThread, between: () => ScanThread) {
    this.#port = port;
    this.#calls = new Int32Array(calls);
    this.#thread = thread;
    this.#between = between;
  }

  /** False: the thread is to end. */
  hear(message: ToThread): boolean {
    if (message.say === 'stop' || this.#isStopped) return false;
    if (message.isBetween) this.#answered++;
    const flag = new CancelFlag(message.flag);
    const began_ms = performance.now();
    let paused_ms = 0;
    let pausedUntil_ms = began_ms;
    const makeRoom = (): void => {
      if (Atomics.load(this.#calls, 0) <= this.#answered) return;
      const paused = performance.now();
      if (paused < pausedUntil_ms) return;
      this.#runBetween();
      const now = performance.now();
      paused_ms += now - paused;
      pausedUntil_ms = now + (now - paused) * GOES_ON;
    };
    const cancel: Cancel = {
      isCancelled: () => {
        makeRoom();
        return flag.isCancelled();
      },
      check: () => {
        flag.check();
        makeRoom();
      },
    };
    // What needs one snapshot for all of it is short, or runs alone.
    this.#run(message, this.#thread, message.run.task === 'part' ? cancel : flag, () => paused_ms);
    return !this.#isStopped;
  }

  /** The units that came while another one runs. */
  #runBetween(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      const message = received.message as ToThread;
      if (message.say === 'stop') {
        this.#isStopped = true;
        return;
      }
      if (message.isBetween) this.#answered++;
      this.#run(message, this.#between(), new CancelFlag(message.flag), () => 0);
    }
  }

  #run(
    { id, run }: Extract<ToThread, { say: 'run' }>,
    thread: ScanThread,
    cancel: Cancel,
    paused_ms: () => number,
  ): void {
    const began_ms = performance.now();
    const busy_ms = (): number => performance.now() - began_ms - paused_ms();
    const reply = (said: FromThread, transfer: ArrayBuffer[]): void => this.#port.postMessage(said, transfer);
    try {
      const result = thread.run(run, cancel);
      reply({ say: 'done', id, result, busy_ms: busy_ms() }, handedOver(result));
    } catch (thrown) {
      reply({ say: 'failed', id, error: sendError(thrown), busy_ms: busy_ms() }, []);
    }
  }
}

async function scanThread(order: ScanThreadData): Promise<void> {
  const { path, reader, modules, config, calls } = order;
  const options = { ...reader, checksOnce: true };
  const port = parentPort;
  invariant(port !== null, 'scans run in a worker thread');
  // Requests and the pipeline go first.
  if (order.isUrgent !== true) stepBack(SCAN_NICENESS);
  const kinds = await loadKinds(modules, config);
  const readers = [openLmdbReader(path, options)] as [KvReader, ...KvReader[]];
  let between: ScanThread | undefined;
  const runner = new UnitRunner(port, calls, new ScanThread(readers[0], kinds), () => {
    if (between === undefined) {
      const reader = openLmdbReader(path, options);
      readers.push(reader);
      between = new ScanThread(reader, kinds);
    }
    return between;
  });
  port.on('message', (message: ToThread) => {
    if (runner.hear(message)) return;
    port.close();
    for (const reader of readers) void reader.close();
  });
}

if (!isMainThread) await scanThread(workerData as ScanThreadData);
