import type { ControlDefinition } from '../../engine/index.ts';
import { MillraceError } from '../../engine/index.ts';
import { createDetector, type NormalMark, type RuleBook, type WatchedRule } from '../../operators/index.ts';
import { filtersOf } from '../filters/index.ts';
import {
  type CustomMetric,
  customMetricSchemaOf,
  isMonetary,
  isOwn,
  type MetricDefinition,
  OwnMetrics,
} from '../kpis/index.ts';
import { zoneOf } from '../query/index.ts';
import { ruleOf } from '../row-sums/index.ts';
import { ruleOfAlert } from './alert-rule.ts';
import { severityOf, textOf } from './anomaly-text.ts';
import { isFilteredByItems, type RuleMeasure, RuleReader } from './rule-reader.ts';
import {
  ALERT_KIND,
  MARK_KIND,
  type MarkBody,
  METRIC_KIND,
  markSchema,
  RULE_KIND,
  type RuleBody,
  ruleSchemaOf,
} from './rule-schema.ts';
import { metricValueOf, sumsOf } from './rule-value.ts';
import { windowsOf } from './rule-windows.ts';

/** Raise it when the same series would come out otherwise. */
const RULES_VERSION = 1;
/** How long a window that a user called normal says so of others, ms; at least 100 windows. */
const NORMAL_MS = 28 * 86_400_000;
const NORMAL_WINDOWS = 100;

/** What a rule needs beside its body. */
export interface RuleParts {
  readonly id: string;
  readonly scope: string;
  readonly own: OwnMetrics;
  readonly custom: readonly string[];
  readonly marks: readonly MarkBody[];
}

function refuse(code: string, message: string): never {
  throw new MillraceError(code, message);
}

/** The metric of a rule. Throws `unknown_metric`, `metric_not_summed`. */
export function metricOfRule(body: Pick<RuleBody, 'metric'>, own: OwnMetrics): MetricDefinition {
  const metric = own.find(body.metric);
  if (metric === undefined)
    return refuse('unknown_metric', `There is no metric "${body.metric}". GET /metrics-catalog lists them.`);
  const { formula } = metric;
  const parts = formula.kind === 'quotient' ? [formula.numerator, formula.denominator] : [formula];
  if (!parts.some(({ kind }) => kind === 'distinct')) return metric;
  return refuse(
    'metric_not_summed',
    `"${body.metric}" counts different ids, which no sum of windows keeps. Watch a count of events or a sum instead.`,
  );
}

/** What a rule means. Throws a MillraceError with a code for one that cannot be. */
export function watchedRule(body: RuleBody, { id, scope, own, custom, marks }: RuleParts): WatchedRule {
  const metric = metricOfRule(body, own);
  const filters = filtersOf(body.filters);
  if (isFilteredByItems(filters))
    return refuse('filter_not_possible', 'A rule does not filter by sku or category: group by them instead.');
  const zone = zoneOf(body.timezone ?? 'UTC');
  const since_ms = Date.parse(body.since ?? '');
  if (Number.isNaN(since_ms)) return refuse('bad_rule', 'A rule says from when on it alerts, in `since`.');
  const { grid, width_ms, learned, bucket_ms, pulse_ms } = windowsOf(body.window, zone);
  const measures = sumsOf(metric).map((measure): RuleMeasure => {
    if (!isOwn(measure)) return ruleOf(measure);
    const { rows, ...rule } = own.ruleOf(measure);
    return { ...rule, rows: { types: rows.types, filters: filtersOf(rows.filters) } };
  });
  const reader = new RuleReader(measures, filters, custom);
  const { method, sensitivity } = body;
  const utcOffsetOf_ms = (time_ms: number): number => zone.offsetAt(time_ms);
  const detector = createDetector({
    ...{ method, sensitivity, window_ms: width_ms, utcOffsetOf_ms },
    ...(body.threshold === undefined ? {} : { bounds: body.threshold }),
  });
  const { marks: _, ...said } = { ...body, marks: undefined };
  const parts = {
    title: metric.title,
    unit: metric.unit,
    dimensions: body.group_by,
    window: body.window,
    zone,
    isBound: method === 'threshold',
  };
  return {
    id,
    scope,
    metric: body.metric,
    version: JSON.stringify([RULES_VERSION, reader.version, metric.formula, said]),
    cube: { name: `${RULE_KIND}/${scope}/${id}`, scope, dimensions: body.group_by, bucket_ms, reader },
    byCurrency: isMonetary(metric),
    grid,
    first: grid.indexOf(since_ms) - learned,
    alertFrom_ms: since_ms,
    detector,
    ...(method === 'threshold' ? { calm_windows: 0 } : {}),
    max_groups: body.max_groups,
    pulse_ms,
    marks: marks.flatMap((mark) => normalMark(mark, id, grid, width_ms)),
    valueOf: metricValueOf(metric),
    severityOf: (window, direction) => severityOf(window, direction, detector.threshold, body),
    textOf: (group, episode) =>
      textOf(parts, group, episode, {
        start_ms: grid.startOf(episode.start),
        end_ms: grid.startOf(episode.start + 1),
      }),
    shown: { window: body.window, method, unit: metric.unit },
  };
}

function normalMark(
  { rule_id, group, start_ms, direction, score, status }: MarkBody,
  id: string,
  grid: WatchedRule['grid'],
  width_ms: number,
): readonly NormalMark[] {
  if (rule_id !== id || status !== 'false_alarm') return [];
  const index = grid.indexOf(start_ms);
  const windows = Math.max(NORMAL_WINDOWS, Math.ceil(NORMAL_MS / width_ms));
  return [{ group, index, direction, score, until: index + windows }];
}

/** Rules, the metrics that they name and what users said of their anomalies, as the definitions come and go. */
export class OrderRuleBook implements RuleBook {
  readonly #custom: readonly string[];
  readonly #rules = new Map<
    string,
    { readonly scope: string; readonly id: string; readonly body: RuleBody }
  >();
  readonly #metrics = new Map<string, Map<string, CustomMetric>>();
  readonly #marks = new Map<string, Map<string, MarkBody>>();
  /** Rules as they are at work, with what they were made of. */
  #made = new Map<string, { readonly of: string; readonly rule: WatchedRule }>();

  constructor(custom: readonly string[]) {
    this.#custom = custom;
  }

  define({ kind, scope, id, body }: ControlDefinition): void {
    if (kind === METRIC_KIND) {
      const { name, ...rest } = body as Record<string, unknown>;
      const metric = customMetricSchemaOf(this.#custom).parse(rest);
      inner(this.#metrics, scope).set(id, { ...metric, name: String(name) });
    } else if (kind === MARK_KIND) inner(this.#marks, scope).set(id, markSchema.parse(body));
    else {
      const rule =
        kind === ALERT_KIND ? ruleOfAlert(body, this.#custom) : ruleSchemaOf(this.#custom).parse(body);
      if (rule === undefined) {
        this.#rules.delete(`${scope}/${id}`);
        return;
      }
      // What cannot be is refused here, where the reason is told. A metric may come later.
      if (this.#ownOf(scope).find(rule.metric) !== undefined) this.#make(scope, id, rule);
      this.#rules.set(`${scope}/${id}`, { scope, id, body: rule });
    }
  }

  forget({ kind, scope, id }: ControlDefinition): void {
    if (kind === METRIC_KIND) this.#metrics.get(scope)?.delete(id);
    else if (kind === MARK_KIND) this.#marks.get(scope)?.delete(id);
    else this.#rules.delete(`${scope}/${id}`);
  }

  rules(): readonly WatchedRule[] {
    const made = new Map<string, { readonly of: string; readonly rule: WatchedRule }>();
    for (const [key, { scope, id, body }] of [...this.#rules].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!body.enabled) continue;
      const metrics = [...(this.#metrics.get(scope)?.values() ?? [])];
      const marks = this.#marksOf(scope, id);
      const of = JSON.stringify([body, metrics, marks]);
      const before = this.#made.get(key);
      const rule = before?.of === of ? before.rule : this.#tryMake(scope, id, body);
      if (rule !== undefined) made.set(key, { of, rule });
    }
    this.#made = made;
    return Array.from(made.values(), ({ rule }) => rule);
  }

  #marksOf(scope: string, id: string): readonly MarkBody[] {
    const marks = [...(this.#marks.get(scope)?.values() ?? [])];
    return marks.filter(({ rule_id, status }) => rule_id === id && status === 'false_alarm');
  }

  #ownOf(scope: string): OwnMetrics {
    return new OwnMetrics([...(this.#metrics.get(scope)?.values() ?? [])]);
  }

  #make(scope: string, id: string, body: RuleBody): WatchedRule {
    const parts = {
      id,
      scope,
      own: this.#ownOf(scope),
      custom: this.#custom,
      marks: this.#marksOf(scope, id),
    };
    return watchedRule(body, parts);
  }

  /** undefined: its metric is not there, or is no longer one that can be watched. */
  #tryMake(scope: string, id: string, body: RuleBody): WatchedRule | undefined {
    try {
      return this.#make(scope, id, body);
    } catch (error) {
      if (error instanceof MillraceError) return undefined;
      throw error;
    }
  }
}

function inner<T>(maps: Map<string, Map<string, T>>, scope: string): Map<string, T> {
  const found = maps.get(scope) ?? new Map<string, T>();
  maps.set(scope, found);
  return found;
}
