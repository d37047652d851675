/**
 * Counters and gauges of a task, plain data so that they cross a thread. Names follow OpenTelemetry: words with dots
 * between them, the unit and the kind are no part of it (`millrace.task.commit.time`, in seconds).
 */
export type MetricLabels = Readonly<Record<string, string>>;

/** A metric as it stood when it was read, with its labels. */
export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: MetricLabels;
  readonly value: number;
}

/** A number that only grows, from 0 with each run of the task. */
export interface Counter {
  add(by?: number): void;
  readonly value: number;
}

interface Entry {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: MetricLabels;
  read(): number | undefined;
}

/** The task's registry. A counter asked for twice with the same labels is the same counter. */
export class Metrics {
  readonly #entries = new Map<string, Entry>();
  readonly #counters = new Map<string, Counter & { value: number }>();

  counter(name: string, help: string, labels: MetricLabels = {}): Counter {
    const key = keyOf(name, labels);
    const known = this.#counters.get(key);
    if (known !== undefined) return known;
    const counter = {
      value: 0,
      add(by = 1): void {
        counter.value += by;
      },
    };
    this.#counters.set(key, counter);
    this.#entries.set(key, { name, kind: 'counter', help, labels, read: () => counter.value });
    return counter;
  }

  /** `read` is called when samples are taken; where it says undefined there is no sample. */
  gauge(name: string, help: string, read: () => number | undefined, labels: MetricLabels = {}): void {
    this.#entries.set(keyOf(name, labels), { name, kind: 'gauge', help, labels, read });
  }

  /** A count that something else keeps; `read` is called when samples are taken. */
  observedCounter(name: string, help: string, read: () => number, labels: MetricLabels = {}): void {
    this.#entries.set(keyOf(name, labels), { name, kind: 'counter', help, labels, read });
  }

  samples(): MetricSample[] {
    return [...this.#entries.values()].flatMap(({ name, kind, help, labels, read }) => {
      const value = read();
      return value === undefined ? [] : [{ name, kind, help, labels, value }];
    });
  }
}

function keyOf(name: string, labels: MetricLabels): string {
  return `${name}${JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}
