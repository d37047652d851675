import { type Definition, useMetrics } from '../../answers/index.ts';
import { useAnswer } from '../../api/index.ts';
import { Chart, Empty, Select, Tile } from '../../parts/index.ts';
import { place, setParams, zone } from '../../state/index.ts';

interface Window {
  readonly group: Readonly<Record<string, string | null>>;
  readonly currency?: string | null;
  readonly start: string;
  readonly value: number;
  readonly lower: number | null;
  readonly upper: number | null;
}

interface Preview {
  readonly windows?: readonly Window[];
  readonly anomalies: readonly { readonly start: string; readonly group: Window['group'] }[];
}

const DAYS = 30;

/** What a rule looks at, with the band that it expects and what it found. */
export function RuleSeries() {
  const rules = useAnswer<{ readonly rules: readonly Definition[] }>({
    path: '/anomalies/rules',
    params: { limit: 200 },
  });
  const { metrics } = useMetrics();
  const all = rules.data?.rules ?? [];
  const rule = all.find(({ id }) => id === place.value.params.rule) ?? all[0];
  const request =
    rule === undefined
      ? null
      : { path: '/anomalies/preview', body: { rule_id: rule.id, days: DAYS, scores: true } };
  const answer = useAnswer<Preview>(request);
  // Its place is kept while nobody knows whether there is a rule.
  if (rules.data === undefined) {
    return (
      <Tile title="What a rule sees" answer={rules} hasPicture>
        {null}
      </Tile>
    );
  }
  if (rule === undefined) return null;
  const metric = metrics.get(String(rule.metric));
  return (
    <Tile
      title="What a rule sees"
      answer={answer}
      request={request}
      hasPicture
      sheet={({ windows = [] }) => ({
        columns: ['start', 'group', 'value', 'lower', 'upper'],
        rows: windows.map((one) => [
          one.start,
          Object.values(one.group).join(' / '),
          one.value,
          one.lower,
          one.upper,
        ]),
      })}
      actions={
        <Select
          title="Rule"
          value={rule.id}
          options={all.map(({ id, name }) => [id, name] as const)}
          choose={(value) => setParams({ rule: value })}
        />
      }
    >
      {({ windows = [], anomalies }) => {
        const [first] = windows;
        if (first === undefined) return <Empty>The last {DAYS} days have no window of this rule.</Empty>;
        const name = JSON.stringify(first.group);
        const own = windows.filter(({ group }) => JSON.stringify(group) === name);
        const found = new Set(
          anomalies
            .filter(({ group }) => JSON.stringify(group) === name)
            .map(({ start }) => Date.parse(start)),
        );
        return (
          <Chart
            label={`${rule.name}: values, the expected band, and anomalies`}
            zone={zone.value}
            times={own.map(({ start }) => Date.parse(start) / 1_000)}
            series={[
              {
                ...{ label: metric?.title ?? String(rule.metric), unit: metric?.unit ?? 'number' },
                currency: first.currency ?? null,
                values: own.map(({ value }) => value),
                band: { low: own.map(({ lower }) => lower), high: own.map(({ upper }) => upper) },
                marks: own.flatMap(({ start }, at) => (found.has(Date.parse(start)) ? [at] : [])),
              },
            ]}
          />
        );
      }}
    </Tile>
  );
}
