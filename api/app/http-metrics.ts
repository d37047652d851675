import { Gauge, Histogram, Registry } from 'prom-client';
import { invariant, type MetricSample } from '../../engine/index.ts';
import {
  type MetricSpec,
  metricNamed,
  prometheusLabel,
  prometheusName,
  prometheusText,
} from '../../runtime/index.ts';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface LatencySummary {
  readonly route: string;
  readonly method: string;
  readonly count: number;
  /** Seconds, interpolated within the histogram's buckets; null beyond the last of them. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** What prom-client wants to know of a metric, from the catalogue. */
function named<L extends string>(name: string) {
  const metric: MetricSpec | undefined = metricNamed(name);
  invariant(metric !== undefined, `the metric ${name} is in the catalogue`);
  return {
    name: prometheusName(metric),
    help: metric.help,
    labelNames: metric.labels.map(prometheusLabel) as L[],
  };
}

/** Counts and times HTTP requests, and writes them out beside the pipeline's samples. */
export class HttpMetrics {
  readonly #registry = new Registry();
  readonly #duration: Histogram<'http_route' | 'http_request_method' | 'http_response_status_code'>;
  readonly #active: Gauge;

  constructor() {
    const registers = [this.#registry];
    this.#duration = new Histogram({
      ...named('http.server.request.duration'),
      buckets: BUCKETS_S,
      registers,
    });
    this.#active = new Gauge({
      ...named('http.server.active_requests'),
      registers,
    });
    const gauge = (name: string, read: () => number): void => {
      new Gauge({
        ...named(name),
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    gauge('process.memory.usage', () => process.memoryUsage.rss());
    gauge('process.uptime', () => process.uptime());
  }

  /** Counts a request as running; the returned function ends it. */
  begin(): (route: string, method: string, status: number) => number {
    this.#active.inc();
    const started_ms = performance.now();
    return (route, method, status) => {
      this.#active.dec();
      const ms = performance.now() - started_ms;
      const labels = {
        http_route: route,
        http_request_method: method,
        http_response_status_code: String(status),
      };
      this.#duration.observe(labels, ms / 1_000);
      return ms;
    };
  }

  /** The Prometheus text of the requests and of `samples`. */
  async text(samples: readonly MetricSample[]): Promise<string> {
    return `${await this.#registry.metrics()}\n${prometheusText(samples)}`;
  }

  /** Latencies of each route, over all statuses. */
  async latencies(): Promise<LatencySummary[]> {
    const { values } = await this.#duration.get();
    const byRoute = new Map<
      string,
      { route: string; method: string; counts: Map<number, number>; count: number }
    >();
    for (const { labels, value, metricName } of values) {
      const route = String(labels.http_route);
      const method = String(labels.http_request_method);
      const key = `${method} ${route}`;
      const entry = byRoute.get(key) ?? { route, method, counts: new Map<number, number>(), count: 0 };
      byRoute.set(key, entry);
      const le = Number((labels as { readonly le?: number }).le);
      if (metricName?.endsWith('_count') === true) entry.count += value;
      else if (metricName?.endsWith('_bucket') === true && Number.isFinite(le)) {
        entry.counts.set(le, (entry.counts.get(le) ?? 0) + value);
      }
    }
    return [...byRoute.values()].map(({ route, method, counts, count }) => {
      const quantile = (q: number): number | null => quantileOf(counts, count, q);
      return { route, method, count, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
    });
  }
}

/** As Prometheus' `histogram_quantile`: linear within the bucket that the rank falls into. */
function quantileOf(cumulative: ReadonlyMap<number, number>, count: number, q: number): number | null {
  const rank = q * count;
  let lower = 0;
  let below = 0;
  for (const [upper, upTo] of [...cumulative].sort(([a], [b]) => a - b)) {
    if (upTo >= rank) return lower + (upper - lower) * (upTo === below ? 1 : (rank - below) / (upTo - below));
    lower = upper;
    below = upTo;
  }
  return null;
}
