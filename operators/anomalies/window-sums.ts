import type { KvView } from '../../engine/index.ts';
import { type CubeInfo, scanCells } from '../views/cubes/index.ts';
import type { WatchedRule } from './watched-rule.ts';

/** The key of a group without dimensions or currency. */
const WHOLE = '0';

/** The key of a group: its dimensions' codes, then the currency's where amounts are watched by currency. */
export function seriesKey(
  rule: Pick<WatchedRule, 'byCurrency'>,
  codes: Int32Array,
  currency: number,
): string {
  if (!rule.byCurrency) return codes.length === 0 ? WHOLE : codes.join(',');
  return codes.length === 0 ? String(currency) : `${codes.join(',')},${currency}`;
}

/** Sums of the windows [from, to) by group: `measures` each, window after window. */
export class WindowSums {
  readonly #measures: number;
  readonly #from: number;
  readonly #sums = new Map<string, Float64Array>();
  readonly #zeros: Float64Array;

  /** `only`: of these groups alone. */
  constructor(
    cells: KvView,
    rule: WatchedRule,
    cube: CubeInfo,
    range: { readonly from: number; readonly to: number },
    only?: ReadonlyMap<string, unknown>,
  ) {
    const { from, to } = range;
    const { grid, scope } = rule;
    const { measures } = cube;
    this.#measures = measures;
    this.#from = from;
    this.#zeros = new Float64Array(measures);
    const scan = { scope, cube, start_ms: grid.startOf(from), end_ms: grid.startOf(to) };
    scanCells(cells, scan, (bucket_ms, codes, currency, { sums }) => {
      const key = seriesKey(rule, codes, currency);
      if (only !== undefined && !only.has(key)) return;
      let found = this.#sums.get(key);
      if (found === undefined) {
        found = new Float64Array((to - from) * measures);
        this.#sums.set(key, found);
      }
      const base = (grid.indexOf(bucket_ms) - from) * measures;
      for (let measure = 0; measure < measures; measure++)
        (found[base + measure] as number) += sums[measure] as number;
    });
  }

  keys(): Iterable<string> {
    return this.#sums.keys();
  }

  /** Of a window: zeros where nothing came. */
  of(key: string, index: number): Float64Array {
    const sums = this.#sums.get(key);
    if (sums === undefined) return this.#zeros;
    const base = (index - this.#from) * this.#measures;
    return sums.subarray(base, base + this.#measures);
  }

  /** The first window in which the group has something; undefined: none of them. */
  firstOf(key: string): number | undefined {
    const at = this.#sums.get(key)?.findIndex((sum) => sum !== 0) ?? -1;
    return at < 0 ? undefined : this.#from + Math.floor(at / this.#measures);
  }
}
