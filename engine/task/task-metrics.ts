import type { Counter, EventTime, Metrics } from '../base/index.ts';
import type { Outbox } from '../edges/index.ts';
import type { KvStore } from '../state/index.ts';
import type { Inputs } from './inputs.ts';

const MS_PER_SECOND = 1_000;

/** What is looked at when samples are taken. */
interface Observed {
  readonly store: KvStore;
  readonly inputs: Inputs;
  readonly outbox: Outbox;
  readonly eventTime: EventTime;
  /** Sources that have to wait. */
  readonly held: () => number;
  /** Records since the last commit. */
  readonly uncommitted: () => number;
}

/** What a task counts, and what it shows of its parts. */
export class TaskMetrics {
  readonly #metrics: Metrics;
  readonly records: Counter;
  readonly commits: Counter;
  /** Seconds. */
  readonly commit_s: Counter;
  readonly refused: Counter;
  readonly duplicates: Counter;
  readonly failingRecords: Counter;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    const counter = (name: string, help: string): Counter => metrics.counter(name, help);
    this.records = counter('millrace.task.records', 'Records of the stream applied and committed');
    this.commits = counter('millrace.task.commits', 'Commits');
    this.commit_s = counter('millrace.task.commit.time', 'Time spent in commits');
    this.refused = counter('millrace.outbox.refused', 'Messages that the receiver will never take');
    this.duplicates = counter(
      'millrace.outbox.duplicates',
      'Messages sent for the first time whose id the receiver had already: they are not stored',
    );
    this.failingRecords = counter('millrace.task.failing_records', 'Records put aside, for they fail');
  }

  observeLetters(count: () => number): void {
    const help = 'Dead letters put together, for their tenant had too many';
    this.#metrics.observedCounter('millrace.deadletters.summed', help, count);
  }

  observe({ store, inputs, outbox, eventTime, held, uncommitted }: Observed): void {
    const metrics = this.#metrics;
    const gauge = (name: string, help: string, read: () => number): void => metrics.gauge(name, help, read);
    for (const [at, input] of inputs.all.entries()) {
      const labels = at === 0 ? {} : { source: input.node };
      metrics.gauge('millrace.task.position', 'Last applied stream sequence', () => input.sequence, labels);
    }
    gauge('millrace.task.lag', 'Records in the streams that are not applied yet', () => inputs.lag);
    gauge(
      'millrace.task.sources_held',
      'Sources that wait because they are ahead of others in event time',
      held,
    );
    gauge(
      'millrace.task.sources_degraded',
      'Sources that cannot read in their usual way, and take more CPU',
      () => inputs.all.filter(({ source }) => source.state().isDegraded === true).length,
    );
    gauge('millrace.task.uncommitted', 'Records applied since the last commit', uncommitted);
    metrics.observedCounter('millrace.task.skipped', 'Records the stream dropped before they were read', () =>
      inputs.all.reduce((sum, { source }) => sum + source.state().skipped, 0),
    );
    eventTime.eachOwner((operator, read_ms) => {
      const read_s = (): number | undefined => secondsOf(read_ms());
      metrics.gauge('millrace.watermark.timestamp', 'Watermark, since 1970', read_s, { operator });
    });
    gauge('millrace.outbox.owed', 'Messages that are owed to the outside', () => outbox.owed);
    gauge('millrace.outbox.failing', 'Subjects whose messages cannot be sent', () => outbox.failingSubjects);
    metrics.observedCounter(
      'millrace.outbox.dropped',
      'Messages that were removed by "millrace outbox drop"',
      () => outbox.dropped,
    );
    metrics.observedCounter('millrace.outbox.retries', 'Sends that had to be repeated', () => outbox.retries);
    gauge('millrace.state.size', 'Size of the state file', () => store.sizeBytes());
  }
}

/** Undefined before the first watermark. */
const secondsOf = (time_ms: number): number | undefined =>
  Number.isFinite(time_ms) ? time_ms / MS_PER_SECOND : undefined;
