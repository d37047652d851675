import { formatValue, useWidth } from '../../parts/index.ts';

/** Customers of one score each of recency, frequency and money, 1 to 5, and what they spent in minor units. */
export interface RfmBucket {
  readonly r: number;
  readonly f: number;
  readonly m: number;
  readonly customers: number;
}

/** What stands upwards: frequency or money. */
export type Against = 'f' | 'm';

const SCORES = [1, 2, 3, 4, 5] as const;
const LEFT = 86;
const BOTTOM = 30;
const CELL_HEIGHT = 84;
const CELL_MIN_WIDTH = 44;
const ENDS: Readonly<Record<Against, readonly [least: string, most: string]>> = {
  f: ['least often', 'most often'],
  m: ['least money', 'most money'],
};

/** Recency against frequency or money; the darker, the more customers. */
export function RfmGrid({
  buckets,
  against,
}: {
  readonly buckets: readonly RfmBucket[];
  readonly against: Against;
}) {
  const { element, width } = useWidth<HTMLElement>();
  const cell = Math.max(CELL_MIN_WIDTH, (width - LEFT) / SCORES.length);
  const counts = new Map<string, number>();
  for (const one of buckets) {
    const key = `${one.r}-${one[against]}`;
    counts.set(key, (counts.get(key) ?? 0) + one.customers);
  }
  const most = Math.max(...counts.values(), 1);
  const [first, last] = ENDS[against];
  const what = against === 'f' ? 'frequency' : 'money';
  return (
    <section class="scroll" tabindex={0} aria-label={`Customers by recency and ${what}`} ref={element}>
      <svg
        class="picture heat"
        width={LEFT + SCORES.length * cell}
        height={SCORES.length * CELL_HEIGHT + BOTTOM}
        role="img"
      >
        <title>Customers by recency score, from left to right, and {what} score, from below</title>
        {SCORES.flatMap((up) =>
          SCORES.map((r) => {
            const count = counts.get(`${r}-${up}`) ?? 0;
            const [x, y] = [LEFT + (r - 1) * cell, (5 - up) * CELL_HEIGHT];
            return (
              <g key={`${r}-${up}`}>
                <rect
                  {...{ x: x + 1, y: y + 1, width: cell - 2, height: CELL_HEIGHT - 2, rx: 5 }}
                  fill-opacity={0.05 + (count / most) * 0.5}
                />
                <text x={x + cell / 2} y={y + CELL_HEIGHT / 2 + 5} text-anchor="middle">
                  {formatValue(count, 'count')}
                </text>
              </g>
            );
          }),
        )}
        {SCORES.map((score) => (
          <g key={score}>
            <text class="quiet" x={0} y={(5 - score) * CELL_HEIGHT + CELL_HEIGHT / 2 + 5}>
              {score === 5 ? last : score === 1 ? first : String(score)}
            </text>
            <text
              class="quiet"
              x={LEFT + (score - 0.5) * cell}
              y={SCORES.length * CELL_HEIGHT + 20}
              text-anchor="middle"
            >
              {score === 5 ? 'latest' : score === 1 ? 'oldest' : String(score)}
            </text>
          </g>
        ))}
      </svg>
    </section>
  );
}
