import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MetricLabels, type MetricSample, Metrics } from '../engine/index.ts';
import {
  ArchiveMetrics,
  ClusterNode,
  METRIC_GROUPS,
  type MetricSpec,
  metricNamed,
  metricsPage,
  prometheusName,
  prometheusText,
  systemTime,
} from '../runtime/index.ts';
import { orderEvent, startTestApi, type TestApi } from './fixture-api.ts';

const ROOT = resolve(import.meta.dirname, '..');
const ALL = METRIC_GROUPS.flatMap(({ metrics }) => metrics);

interface Seen {
  readonly kind: MetricSample['kind'];
  readonly help: string;
  readonly labels: ReadonlySet<string>;
}

/** Every metric that is made while the tests run, whoever makes it. */
const seen = new Map<string, Seen>();

function see(kind: Seen['kind'], name: string, help: string, labels: MetricLabels = {}): void {
  const known = seen.get(name)?.labels ?? new Set<string>();
  seen.set(name, { kind, help, labels: new Set([...known, ...Object.keys(labels)]) });
}

const { counter, gauge, observedCounter } = Metrics.prototype;

beforeAll(() => {
  Metrics.prototype.counter = function (name, help, labels) {
    see('counter', name, help, labels);
    return counter.call(this, name, help, labels);
  };
  Metrics.prototype.gauge = function (name, help, read, labels) {
    see('gauge', name, help, labels);
    gauge.call(this, name, help, read, labels);
  };
  Metrics.prototype.observedCounter = function (name, help, read, labels) {
    see('counter', name, help, labels);
    observedCounter.call(this, name, help, read, labels);
  };
});
afterAll(() => Object.assign(Metrics.prototype, { counter, gauge, observedCounter }));

/** Names of the metrics in a Prometheus text. */
const namesIn = (text: string): string[] =>
  [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);

describe('the catalogue of metrics', () => {
  it('has names and units by the rules of OpenTelemetry, each once', () => {
    const names = ALL.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(ALL.map(prometheusName)).size).toBe(names.length);
    const odd = ALL.filter(
      ({ name, unit }) =>
        !/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/.test(name) ||
        /_(total|ms|seconds|bytes|count)$|\.(total|ms|seconds|bytes)$/.test(name) ||
        !/^(s|By|\{[a-z]+\})$/.test(unit),
    );
    expect(odd).toEqual([]);
  });

  it('is the page of the documentation', () => {
    expect(readFileSync(join(ROOT, 'docs', 'metrics.md'), 'utf8')).toBe(metricsPage());
  });

  it('writes names as the exporter of OpenTelemetry does', () => {
    const name = (of: string): string => prometheusName(metricNamed(of) as MetricSpec);
    expect(name('millrace.task.commits')).toBe('millrace_task_commits_total');
    expect(name('millrace.task.commit.time')).toBe('millrace_task_commit_time_seconds_total');
    expect(name('millrace.state.size')).toBe('millrace_state_size_bytes');
    expect(name('http.server.request.duration')).toBe('http_server_request_duration_seconds');
    const sample = { kind: 'gauge', help: 'a\nb', labels: { 'a.b': 'x"\\\n' }, value: -0.5 } as const;
    expect(prometheusText([{ ...sample, name: 'my.own-level' }])).toBe(
      '# HELP my_own_level a\\nb\n# TYPE my_own_level gauge\nmy_own_level{a_b="x\\"\\\\\\n"} -0.5\n',
    );
  });
});

describe('what is exported', () => {
  let api: TestApi;
  let exported: string;

  beforeAll(async () => {
    for (const file of readdirSync(join(ROOT, 'examples', 'operators'))) {
      const module = (await import(join(ROOT, 'examples', 'operators', file))) as {
        default(): Promise<unknown>;
      };
      await module.default();
    }
    // A member of a cluster that has not joined.
    const member = { member: 'a', incarnation: 'i', host: 'h', version: 'v', started_at: '' };
    const hosts = (): never => {
      throw new Error('no task is hosted here');
    };
    new ClusterNode({ ...member, store: {} as never, layout: [1], hosts, time: systemTime });
    const metrics = new ArchiveMetrics(() => 0);
    const none = (): Promise<never> => Promise.reject(new Error('nothing is archived here'));
    const archive = { run: none, status: none, erase: none, samples: () => metrics.samples() };
    api = await startTestApi({}, undefined, archive);
    const key = await api.key('admin', { tenants: '*' });
    await api.send('/ingest', { key, json: [orderEvent('e1'), orderEvent('e2')] });
    await api.apply();
    const query = { metrics: ['orders_count'], start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };
    await api.send('/kpis/query', { key, json: query });
    await api.send('/kpis/query', { key, json: { ...query, metrics: ['nothing'] } });
    exported = await (await api.send('/metrics', { key })).text();
  });
  afterAll(() => api.close());

  it('is in the catalogue as it is, of every operator and of the service', () => {
    const ours = [...seen].filter(([name]) => name.startsWith('millrace.'));
    const wrong = ours.filter(([name, { kind, help, labels }]) => {
      const spec = metricNamed(name);
      const isSame =
        spec?.kind === kind &&
        spec.help === help &&
        [...labels].every((label) => spec.labels.includes(label));
      return !isSame;
    });
    expect(wrong).toEqual([]);
  });

  it('is all that the catalogue has', () => {
    const engine = ALL.filter(({ name }) => name.startsWith('millrace.'));
    const given = new Set(namesIn(exported));
    const missing = engine.filter((spec) => !seen.has(spec.name) && !given.has(prometheusName(spec)));
    const unseen = missing.map(({ name }) => name);
    // Made when it happens for the first time, in scan threads or past a limit; or of a process that has a task.
    const text = [
      ...['engine/query/query-metrics.ts', 'operators/sequences/sessions.ts'],
      'runtime/dimensions/dimension-builds.ts',
    ]
      .map((path) => readFileSync(join(ROOT, path), 'utf8'))
      .join('');
    expect(unseen.length).toBeLessThan(8);
    expect(unseen.filter((name) => !text.includes(`'${name}'`))).toEqual([]);
  });

  it('is what GET /metrics gives', () => {
    const known = new Set(ALL.map(prometheusName));
    const names = namesIn(exported);
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    const http = ALL.filter(({ name }) => !name.startsWith('millrace.')).map(prometheusName);
    expect(http.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('has what the alert rules of the order analytics name', () => {
    const rules = readFileSync(join(ROOT, 'examples/operations/alerts-order-analytics.yml'), 'utf8');
    const named = rules.match(/\bmillrace_[a-z_]+\b/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !namesIn(exported).includes(name))).toEqual([]);
  });
});
