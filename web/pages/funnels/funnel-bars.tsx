import { formatValue, useWidth } from '../../parts/index.ts';

/** A step with how many reached it. Conversions are per cent. */
export interface FunnelStep {
  readonly name: string;
  readonly event: string;
  readonly count: number;
  readonly conversion_from_prev?: number | null;
  readonly conversion_from_first: number | null;
}

const BAR_HEIGHT = 190;
const STEP_MIN_WIDTH = 132;
const GAP = 12;
const TEXT_HEIGHT = 62;
/** About the width of a letter of a name. */
const LETTER_WIDTH = 7.4;

const shortened = (name: string, width: number): string => {
  const most = Math.max(4, Math.floor(width / LETTER_WIDTH));
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
};

/** The steps as bars, each with its share of the first and of the step before. */
export function FunnelBars({ steps }: { readonly steps: readonly FunnelStep[] }) {
  const { element, width: room } = useWidth<HTMLElement>();
  const first = steps[0]?.count || 1;
  const step = Math.max(STEP_MIN_WIDTH, (room + GAP) / steps.length);
  const wide = step - GAP;
  return (
    <section class="scroll" tabindex={0} aria-label="Funnel" ref={element}>
      <svg
        class="picture funnel"
        width={steps.length * step - GAP}
        height={BAR_HEIGHT + TEXT_HEIGHT}
        role="img"
      >
        <title>
          {steps
            .map(({ name, count, conversion_from_first }) => `${name}: ${count} (${conversion_from_first} %)`)
            .join(', ')}
        </title>
        {steps.map(({ name, count, conversion_from_first, conversion_from_prev }, at) => {
          const height = Math.max(2, (count / first) * BAR_HEIGHT);
          const x = at * step;
          return (
            <g key={`${name} ${String(at)}`}>
              <rect class="rest" x={x} y={0} width={wide} height={BAR_HEIGHT} rx="6" />
              <rect
                class="bar"
                x={x}
                y={BAR_HEIGHT - height}
                width={wide}
                height={height}
                rx={Math.min(6, height / 2)}
              />
              <text x={x} y={BAR_HEIGHT + 20} class="name">
                {shortened(name, wide)}
              </text>
              <text x={x} y={BAR_HEIGHT + 38}>
                {formatValue(count, 'count')} · {formatValue(conversion_from_first, 'percent')}
              </text>
              {conversion_from_prev !== undefined && (
                <text x={x} y={BAR_HEIGHT + 55} class="quiet">
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
