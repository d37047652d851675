import { ManualClock } from '../base/index.ts';
import type { OutMessage, Source, SourceRecord, SourceState, StreamFacts } from '../edges/index.ts';
import { defineOperator, type Topology } from '../graph/index.ts';
import { MemoryDisk, rawTable } from '../state/index.ts';
import { META_TABLE, type Progress, readProgress, Task, type TaskOptions } from '../task/index.ts';

export function record(sequence: number, text: string): SourceRecord {
  return {
    sequence,
    subject: 'events.acme.x',
    data: Buffer.from(text),
    hasHeaders: false,
    header: () => undefined,
  };
}

/** A source that gives what a test lays down for it, one array a take. */
export class ScriptedSource implements Source {
  readonly partition = '0';
  readonly takes: (readonly SourceRecord[])[] = [];
  streamFacts: StreamFacts = { stream: 'EVENTS', incarnation: 'i', firstSequence: 1, lastSequence: 1_000 };
  current: SourceState = { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  startedAfter: number | undefined;
  passedTo: number | undefined;
  stopped = false;
  #wake: (() => void) | undefined;

  facts(): Promise<StreamFacts> {
    return Promise.resolve(this.streamFacts);
  }

  start(after: number): Promise<void> {
    this.startedAfter = after;
    return Promise.resolve();
  }

  async take({ wait_ms }: { wait_ms: number }): Promise<readonly SourceRecord[]> {
    const next = this.takes.shift();
    if (next !== undefined || wait_ms === 0 || this.stopped) return next ?? [];
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return [];
  }

  state(): SourceState {
    return this.current;
  }

  passed(): number | undefined {
    return this.takes.length === 0 ? this.passedTo : undefined;
  }

  stop(): Promise<void> {
    this.stopped = true;
    this.#wake?.();
    return Promise.resolve();
  }
}

type TaskFixtureOptions = Pick<TaskOptions, 'limits' | 'listen' | 'allowTopologyChange' | 'onTopologyChange'>;

/** A task on a memory disk, with what it committed and sent. */
export class TaskFixture {
  readonly disk: MemoryDisk;
  readonly clock = new ManualClock(1_000_000);
  readonly source = new ScriptedSource();
  readonly sent: OutMessage[] = [];
  readonly commits: Progress[] = [];
  readonly task: Task;

  constructor(
    topology: Topology,
    { disk = new MemoryDisk(), ...options }: { readonly disk?: MemoryDisk } & TaskFixtureOptions = {},
  ) {
    this.disk = disk;
    this.task = new Task({
      topology,
      source: this.source,
      store: this.disk.open(),
      publisher: {
        publish: (message) => {
          this.sent.push(message);
          return Promise.resolve();
        },
        maxInFlight: () => Number.POSITIVE_INFINITY,
      },
      clock: this.clock,
      onCommit: (progress) => this.commits.push(progress),
      ...options,
    });
  }

  /** One take of these texts from this sequence on, and what is due after it. */
  async push(first: number, ...texts: string[]): Promise<void> {
    this.source.takes.push(texts.map((text, index) => record(first + index, text)));
    await this.task.step(0);
  }

  get progress(): Progress | undefined {
    return readProgress(this.disk.open().table(META_TABLE));
  }

  /** The strings that `keep` stored. */
  kept(name = 'keep'): string[] {
    return [...this.disk.open().table(`${name}/rows`).scan()].map(({ key }) => Buffer.from(key).toString());
  }
}

/** Keeps each record's text as a row; "send:x" owes a message, "fail" throws, "barrier" asks for one. */
export const keep = defineOperator({
  kind: 'keep',
  summary: 'Keeps texts',
  state: () => ({ rows: rawTable({ version: 1 }) }),
  start: ({ state, send, notice, requestBarrier, emit }) => {
    let staged: string[] = [];
    return {
      onBatch: (records: readonly SourceRecord[]) => {
        for (const { data, sequence } of records) {
          const text = Buffer.from(data).toString();
          if (text === 'fail') throw new Error('the operator failed');
          if (text === 'barrier') requestBarrier();
          if (text.startsWith('send:')) send({ id: text, subject: 's', headers: {}, payload: data });
          notice({ kind: 'kept', scope: 'acme', sequence, detail: {} });
          staged.push(text);
        }
        emit(records);
      },
      onBarrier: () => {
        for (const text of staged) {
          if (text === 'fail at barrier') throw new Error('the barrier failed');
          state.rows.put(Buffer.from(text), Buffer.from('1'));
        }
        staged = [];
      },
    };
  },
})('keep', undefined);
