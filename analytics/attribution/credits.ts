import { QueryError } from '../query/index.ts';
import type { AttributionMethod } from './attribution-schema.ts';
import type { Journey } from './journeys.ts';
import { removalEffects } from './markov.ts';
import type { Spend } from './spend.ts';
import { splitExactly, touchWeights } from './weights.ts';

/** What a group is credited with. */
export interface Credit {
  /** Parts of orders. */
  conversions: number;
  /** Minor units. */
  revenue: number;
  /** Parts of first orders of customers. */
  new_customers: number;
}

/** Credits of one part of a query, or of all. Plain data; groups by their texts as JSON. */
export interface Credits {
  /** Of the part; they are added up in this order. */
  readonly part: number;
  readonly currency?: string;
  readonly byMethod: Readonly<Record<string, readonly (readonly [group: string, credit: Credit])[]>>;
  /** Orders without a touch. */
  readonly unattributed: Credit;
  readonly paths: readonly (readonly [groups: readonly string[], conversions: number, lost: number])[];
  readonly total: Credit;
}

/** What a part of a query gives. Plain data. */
export type AttributionPart =
  | ({ readonly kind: 'journeys' } & Credits)
  | { readonly kind: 'spend'; readonly spend: Spend; readonly currency?: string };

/** Distinct paths that `markov` keeps. */
export const MAX_PATHS = 50_000;

export const noCredit = (): Credit => ({ conversions: 0, revenue: 0, new_customers: 0 });

export function addCredit(to: Credit, { conversions, revenue, new_customers }: Credit): void {
  to.conversions += conversions;
  to.revenue += revenue;
  to.new_customers += new_customers;
}

/** Gathers the credits of journeys by the numbers of groups. */
export class CreditBook {
  readonly unattributed = noCredit();
  readonly total = noCredit();
  readonly byMethod: ReadonlyMap<AttributionMethod, Map<number, Credit>>;
  /** `markov`: by the groups of a path, joined. */
  readonly paths = new Map<string, { conversions: number; lost: number }>();
  readonly #methods: readonly AttributionMethod[];
  readonly #halfLife_ms: number;

  constructor(methods: readonly AttributionMethod[], halfLife_ms: number) {
    this.#methods = methods;
    this.#halfLife_ms = halfLife_ms;
    this.byMethod = new Map(methods.map((method) => [method, new Map()]));
  }

  add({ touches, conversion }: Journey): void {
    if (this.#methods.includes('markov') && touches.length > 0) {
      this.#addPath(touches.map(({ key }) => key).join(), conversion !== undefined);
    }
    if (conversion === undefined) return;
    const { value, isNewCustomer, time_ms } = conversion;
    const whole = { conversions: 1, revenue: value, new_customers: isNewCustomer ? 1 : 0 };
    addCredit(this.total, whole);
    if (touches.length === 0) {
      addCredit(this.unattributed, whole);
      return;
    }
    for (const [method, credits] of this.byMethod) {
      if (method === 'markov') continue;
      const weights = touchWeights(method, touches, time_ms, this.#halfLife_ms);
      const sum = weights.reduce((all, weight) => all + weight, 0);
      const parts = splitExactly(value, weights);
      for (const [at, { key }] of touches.entries()) {
        const share = (weights[at] as number) / sum;
        const part = { conversions: share, revenue: parts[at] as number };
        addCredit(creditOf(credits, key), { ...part, new_customers: share * whole.new_customers });
      }
    }
  }

  #addPath(name: string, isConversion: boolean): void {
    let path = this.paths.get(name);
    if (path === undefined) {
      if (this.paths.size === MAX_PATHS) throw tooManyPaths();
      path = { conversions: 0, lost: 0 };
      this.paths.set(name, path);
    }
    if (isConversion) path.conversions++;
    else path.lost++;
  }
}

export function creditOf<K>(credits: Map<K, Credit>, key: K): Credit {
  let credit = credits.get(key);
  if (credit === undefined) {
    credit = noCredit();
    credits.set(key, credit);
  }
  return credit;
}

/**
 * Credits by `markov`: what has a touch is divided among groups in proportion to their removal effects, exactly. By
 * group.
 */
export function markovCredits(
  paths: Credits['paths'],
  order: number,
  { conversions, revenue, new_customers }: Credit,
): Map<string, Credit> {
  const groups = [...new Set(paths.flatMap(([names]) => names))].sort();
  const numbers = new Map(groups.map((group, at) => [group, at]));
  const effects = removalEffects(
    paths.map(([names, converted, lost]) => ({
      keys: names.map((name) => numbers.get(name) as number),
      ...{ conversions: converted, lost },
    })),
    order,
  );
  const weights = groups.map((_, at) => effects.get(at) ?? 0);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  if (sum === 0) return new Map();
  const parts = splitExactly(revenue, weights);
  return new Map(
    groups.map((group, at) => {
      const share = (weights[at] as number) / sum;
      const credit = { conversions: share * conversions, new_customers: share * new_customers };
      return [group, { ...credit, revenue: parts[at] as number }];
    }),
  );
}

function tooManyPaths(): QueryError {
  const message = `There are more than ${MAX_PATHS} different paths of touches. Ask with fewer dimensions in group_by, or a shorter range.`;
  return new QueryError('too_many_groups', message, [{ path: 'group_by', message }]);
}
