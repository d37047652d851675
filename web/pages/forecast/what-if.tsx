import { useSignal } from '@preact/signals';
import type { AnswerMeta } from '../../api/index.ts';
import { Bars, Fields, Form, formatValue, Input, Select, Tile, useAction } from '../../parts/index.ts';

interface Span {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

interface WhatIfAnswer {
  readonly currency: string | null;
  readonly horizon: string;
  readonly baseline: { readonly revenue: number; readonly units: number };
  readonly change: {
    readonly revenue: Span;
    readonly revenue_pct: Span;
    readonly units: Span;
    readonly margin: Span | null;
  };
  readonly probability_of_more_revenue: number;
  readonly sensitivity: readonly { readonly assumption: string; readonly share: number }[];
  readonly assumptions: readonly string[];
  readonly warnings: readonly string[];
  readonly meta: AnswerMeta;
}

const KINDS = {
  price_pct: 'price by per cent',
  spend_pct: 'spend by per cent',
  availability: 'availability, 0 to 1',
} as const;

/** What a change of price, spend or availability would do to revenue, with intervals of 90 %. */
export function WhatIf() {
  const [dimension, value, kind] = [useSignal('all'), useSignal(''), useSignal('price_pct')];
  const [amount, horizon] = [useSignal('5'), useSignal('30d')];
  const action = useAction<WhatIfAnswer>();
  const answer = useSignal<WhatIfAnswer | undefined>(undefined);
  const ask = async (): Promise<void> => {
    const of = dimension.value === 'all' ? {} : { value: value.value };
    const change = { dimension: dimension.value, ...of, [kind.value]: Number(amount.value) };
    answer.value = await action.run({ path: '/whatif', body: { changes: [change], horizon: horizon.value } });
  };
  return (
    <Tile title="What if">
      <Form act="What happens?" action={action} send={ask}>
        <Fields>
          <Select
            title="Of"
            value={dimension.value}
            options={['all', 'sku', 'category', 'channel', 'campaign'].map((one) => [one, one] as const)}
            choose={(next) => {
              dimension.value = next;
            }}
          />
          {dimension.value !== 'all' && (
            <Input
              title="Which"
              value={value.value}
              isRequired
              change={(next) => {
                value.value = next;
              }}
            />
          )}
          <Select
            title="Change"
            value={kind.value}
            options={Object.entries(KINDS)}
            choose={(next) => {
              kind.value = next;
            }}
          />
          <Input
            title="By"
            value={amount.value}
            isRequired
            change={(next) => {
              amount.value = next;
            }}
          />
          <Input
            title="For the next"
            value={horizon.value}
            isRequired
            change={(next) => {
              horizon.value = next;
            }}
          />
        </Fields>
      </Form>
      {answer.value !== undefined && <Answer answer={answer.value} />}
    </Tile>
  );
}

function Answer({ answer }: { readonly answer: WhatIfAnswer }) {
  const { change, currency, baseline, probability_of_more_revenue, sensitivity, assumptions, warnings } =
    answer;
  const spanOf = ({ mean, lower, upper }: Span, unit: string): string =>
    `${formatValue(mean, unit, currency)} (between ${formatValue(lower, unit, currency)} and ${formatValue(upper, unit, currency)})`;
  return (
    <div role="status" class="answer">
      <p>
        Without the change: {formatValue(baseline.revenue, 'money', currency)},{' '}
        {formatValue(baseline.units, 'count')} units.
      </p>
      <p>
        Revenue changes by {spanOf(change.revenue, 'money')}, {spanOf(change.revenue_pct, 'percent')}; units
        by {spanOf(change.units, 'count')}. More revenue comes with a probability of{' '}
        {formatValue(probability_of_more_revenue, 'ratio')}.
      </p>
      <h3>What the width comes from</h3>
      <Bars
        label="Sensitivity"
        bars={sensitivity.map(({ assumption, share }) => ({
          key: assumption,
          title: assumption.replaceAll('_', ' '),
          value: share,
          text: formatValue(share, 'ratio'),
        }))}
      />
      <ul class="plain-list">
        {[...assumptions, ...warnings].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </div>
  );
}
