import { normalType } from '../events/index.ts';
import { QueryError } from '../query/index.ts';
import { EVERY_ROW, type MeasureRule, type MemberRule, type OwnMeasure } from '../row-sums/index.ts';
import { HASH, NUMBER } from '../rows/index.ts';
import type { CustomMetric, EventSelection, RatioPart } from './custom-metric.ts';
import {
  findMetric,
  isMoneyMeasure,
  type MetricDefinition,
  type Operand,
  type OwnMember,
} from './metrics.ts';

/** Which rows count: those of the events' types that pass the filters. */
export interface OwnRows {
  readonly types: ReadonlySet<string>;
  readonly filters: EventSelection['filters'];
}

/** A measure or a set of members of the rows of one selection. */
export type OwnRule<R> = R & { readonly rows: OwnRows };

type Part = Exclude<RatioPart, string> | Exclude<CustomMetric, { type: 'ratio' }>;

const HASH_OF = { customer_id: HASH.customer, order_id: HASH.order, session_id: HASH.session } as const;

/**
 * The metrics that a tenant defined, in the terms of those that are there: each is a formula of measures, and a
 * measure is a rule on the rows of the log. The same definitions give the same measures in every thread.
 */
export class OwnMetrics {
  readonly #metrics: ReadonlyMap<string, CustomMetric>;
  readonly #measures = new Map<string, OwnMeasure>();
  readonly #rules = new Map<OwnMeasure, OwnRule<MeasureRule>>();
  readonly #members = new Map<OwnMember, OwnRule<Omit<MemberRule, 'at'>>>();
  readonly #rows = new Map<string, OwnRows>();

  constructor(metrics: readonly CustomMetric[]) {
    this.#metrics = new Map(metrics.map((metric) => [metric.name, metric]));
  }

  /** The metric of a name, of the tenant's or of those that are there. */
  find(name: string): MetricDefinition | undefined {
    const own = this.#metrics.get(name);
    return own === undefined ? findMetric(name) : this.#defined(own);
  }

  /** Whether a ratio can be made of the metric of a name. */
  canDivide(name: string): boolean {
    return this.#operand(name) !== undefined;
  }

  ruleOf(measure: OwnMeasure): OwnRule<MeasureRule> {
    const rule = this.#rules.get(measure);
    if (rule === undefined) throw new Error(`no metric has the measure ${measure}`);
    return rule;
  }

  memberOf(member: OwnMember): OwnRule<Omit<MemberRule, 'at'>> {
    const rule = this.#members.get(member);
    if (rule === undefined) throw new Error(`no metric counts the members ${member}`);
    return rule;
  }

  #defined(metric: CustomMetric): MetricDefinition | undefined {
    const { name, title = name, description = `A ${metric.type} of this tenant` } = metric;
    const texts = { name, aliases: [], title, description };
    if (metric.type === 'ratio') {
      const numerator = this.#operand(metric.numerator);
      const denominator = this.#operand(metric.denominator);
      if (numerator === undefined || denominator === undefined) return undefined;
      const unit = [numerator, denominator].filter((operand) => isMoneyOperand(operand)).length === 1;
      return {
        ...texts,
        unit: unit ? 'money' : 'ratio',
        formula: { kind: 'quotient', numerator, denominator },
      };
    }
    if (metric.type === 'avg') {
      const numerator = [{ measure: this.#measure(metric, metric.field, 'amount'), factor: 1 as const }];
      const denominator = [{ measure: this.#measure(metric, metric.field, 'observed'), factor: 1 as const }];
      const formula = { kind: 'ratio', numerator, denominator, divisor: 1, complement: false } as const;
      return { ...texts, unit: 'money', formula };
    }
    const formula = this.#part(metric);
    if (formula.kind === 'distinct') return { ...texts, unit: 'distinct', formula };
    const [term] = formula.terms;
    const isMoney = metric.type === 'sum' && metric.field !== 'quantity';
    return {
      ...texts,
      unit: isMoney ? 'money' : 'count',
      formula,
      ...(isMoney && term !== undefined ? { distribution: term.measure as OwnMeasure } : {}),
    };
  }

  #operand(part: RatioPart): Operand | undefined {
    if (typeof part !== 'string') return this.#part(part);
    const own = this.#metrics.get(part);
    if (own !== undefined) return own.type === 'ratio' || own.type === 'avg' ? undefined : this.#part(own);
    const formula = findMetric(part)?.formula;
    return formula?.kind === 'sum' || formula?.kind === 'distinct' ? formula : undefined;
  }

  #part(part: Exclude<Part, { type: 'avg' }>): Operand {
    if (part.type === 'distinct') return { kind: 'distinct', of: this.#member(part, part.field) };
    const measure =
      part.type === 'count'
        ? this.#measure(part, '', 'count')
        : this.#measure(part, part.field, kindOf(part.field));
    return { kind: 'sum', terms: [{ measure, factor: 1 }] };
  }

  #rowsOf({ event, filters }: EventSelection): OwnRows {
    const types = [...new Set((Array.isArray(event) ? event : [event]).map(normalType))].sort();
    const key = JSON.stringify([types, filters]);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const rows = { types: new Set(types), filters };
    this.#rows.set(key, rows);
    return rows;
  }

  #measure(selection: EventSelection, field: string, kind: MeasureRule['kind']): OwnMeasure {
    const rows = this.#rowsOf(selection);
    const key = JSON.stringify([[...rows.types], rows.filters, field, kind]);
    const known = this.#measures.get(key);
    if (known !== undefined) return known;
    const isMoney = kind === 'amount';
    const measure: OwnMeasure = `${isMoney ? 'own_money' : 'own'}:${this.#measures.size}`;
    const column = kind === 'count' || kind === 'units' ? -1 : NUMBER[field as keyof typeof NUMBER];
    const byItems = kind === 'units' ? 'units' : kind === 'count' ? 'whole' : 'parts';
    this.#measures.set(key, measure);
    this.#rules.set(measure, { mark: EVERY_ROW, kind, column, byItems, rows });
    return measure;
  }

  #member(selection: EventSelection, field: keyof typeof HASH_OF): OwnMember {
    const rows = this.#rowsOf(selection);
    for (const [member, rule] of this.#members) {
      if (rule.rows === rows && rule.column === HASH_OF[field]) return member;
    }
    const member: OwnMember = `own:${this.#members.size}`;
    this.#members.set(member, { mark: EVERY_ROW, column: HASH_OF[field], rows });
    return member;
  }
}

/** Throws QueryError `validation_failed` for a name that no metric has. */
export function requireMetric(own: OwnMetrics, name: string, path: string): MetricDefinition {
  const metric = own.find(name);
  if (metric !== undefined) return metric;
  const message = `There is no metric "${name}". GET /metrics-catalog lists them.`;
  throw new QueryError('validation_failed', message, [{ path, message }]);
}

const kindOf = (field: string): 'units' | 'amount' => (field === 'quantity' ? 'units' : 'amount');

function isMoneyOperand(operand: Operand): boolean {
  return operand.kind === 'sum' && operand.terms.some(({ measure }) => isMoneyMeasure(measure));
}
