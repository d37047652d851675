import { formatValue } from '../../parts/index.ts';

/** A step with how many reached it. Conversions are per cent. */
export interface FunnelStep {
  readonly name: string;
  readonly event: string;
  readonly count: number;
  readonly conversion_from_prev?: number | null;
  readonly conversion_from_first: number | null;
}

const BAR_HEIGHT = 150;
const STEP_WIDTH = 150;
const TEXT_HEIGHT = 54;

/** The steps as bars, each with its share of the first and of the step before. */
export function FunnelBars({ steps }: { readonly steps: readonly FunnelStep[] }) {
  const first = steps[0]?.count || 1;
  const width = steps.length * STEP_WIDTH;
  return (
    <section class="scroll" tabindex={0} aria-label="Funnel">
      <svg class="picture funnel" width={width} height={BAR_HEIGHT + TEXT_HEIGHT} role="img">
        <title>
          {steps
            .map(({ name, count, conversion_from_first }) => `${name}: ${count} (${conversion_from_first} %)`)
            .join(', ')}
        </title>
        {steps.map(({ name, count, conversion_from_first, conversion_from_prev }, at) => {
          const height = Math.max(1, (count / first) * BAR_HEIGHT);
          const x = at * STEP_WIDTH + 8;
          return (
            <g key={`${name} ${String(at)}`}>
              <rect class="rest" x={x} y={0} width={STEP_WIDTH - 16} height={BAR_HEIGHT} rx="6" />
              <rect
                class="bar"
                x={x}
                y={BAR_HEIGHT - height}
                width={STEP_WIDTH - 16}
                height={height}
                rx="6"
              />
              <text x={x} y={BAR_HEIGHT + 18} class="name">
                {name.length > 18 ? `${name.slice(0, 17)}…` : name}
              </text>
              <text x={x} y={BAR_HEIGHT + 34}>
                {formatValue(count, 'count')} · {formatValue(conversion_from_first, 'percent')}
              </text>
              {conversion_from_prev !== undefined && (
                <text x={x} y={BAR_HEIGHT + 50} class="quiet">
                  {formatValue(conversion_from_prev, 'percent')} of before
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </section>
  );
}
