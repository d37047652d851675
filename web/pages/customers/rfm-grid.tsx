import { formatValue } from '../../parts/index.ts';

/** Customers of one score each of recency, frequency and money, 1 to 5. */
export interface RfmBucket {
  readonly r: number;
  readonly f: number;
  readonly m: number;
  readonly customers: number;
}

const SCORES = [1, 2, 3, 4, 5] as const;
const CELL = 76;
const LEFT = 88;
const BOTTOM = 40;

/** Recency against frequency; the darker, the more customers. */
export function RfmGrid({ buckets }: { readonly buckets: readonly RfmBucket[] }) {
  const counts = new Map<string, number>();
  for (const { r, f, customers } of buckets)
    counts.set(`${r}-${f}`, (counts.get(`${r}-${f}`) ?? 0) + customers);
  const most = Math.max(...counts.values(), 1);
  return (
    <section class="scroll" tabindex={0} aria-label="Customers by recency and frequency">
      <svg class="picture heat" width={LEFT + 5 * CELL} height={5 * CELL * 0.7 + BOTTOM} role="img">
        <title>Customers by recency score, from left to right, and frequency score, from below</title>
        {SCORES.flatMap((f) =>
          SCORES.map((r) => {
            const count = counts.get(`${r}-${f}`) ?? 0;
            const [x, y] = [LEFT + (r - 1) * CELL, (5 - f) * CELL * 0.7];
            return (
              <g key={`${r}-${f}`}>
                <rect
                  x={x + 1}
                  y={y + 1}
                  width={CELL - 2}
                  height={CELL * 0.7 - 2}
                  rx="4"
                  fill-opacity={0.05 + (count / most) * 0.5}
                />
                <text x={x + CELL / 2} y={y + CELL * 0.35 + 5} text-anchor="middle">
                  {formatValue(count, 'count')}
                </text>
              </g>
            );
          }),
        )}
        {SCORES.map((score) => (
          <g key={score}>
            <text class="quiet" x={0} y={(5 - score) * CELL * 0.7 + CELL * 0.35 + 5}>
              {score === 5 ? 'most often' : score === 1 ? 'least often' : String(score)}
            </text>
            <text class="quiet" x={LEFT + (score - 0.5) * CELL} y={5 * CELL * 0.7 + 20} text-anchor="middle">
              {score === 5 ? 'most lately' : score === 1 ? 'longest ago' : String(score)}
            </text>
          </g>
        ))}
      </svg>
    </section>
  );
}
