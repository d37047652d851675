import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import {
  type Column,
  Empty,
  Fields,
  formatValue,
  Input,
  Select,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { headOf, place, range, setParams } from '../../state/index.ts';

interface Credit {
  readonly conversions: number;
  readonly revenue: number;
  readonly share: number;
  readonly roas: number | null;
  readonly cac: number | null;
}

interface Row {
  readonly key: Readonly<Record<string, string | null>>;
  readonly spend: number;
  readonly methods: Readonly<Record<string, Credit>>;
}

interface CompareAnswer {
  readonly methods: readonly string[];
  readonly currency: string | null;
  readonly results: readonly Row[];
  readonly meta: AnswerMeta;
}

const METHODS = [
  ['first_touch', 'First touch'],
  ['last_touch', 'Last touch'],
  ['last_non_direct', 'Last non-direct'],
  ['linear', 'Linear'],
  ['time_decay', 'Time decay'],
  ['position_based', 'Position'],
  ['markov', 'Markov'],
  ['shapley', 'Shapley'],
] as const;
const DEFAULT = ['last_touch', 'linear', 'time_decay'] as const;
const SHOWN = {
  revenue: 'Revenue',
  conversions: 'Orders',
  share: 'Share',
  roas: 'Return on spend',
  cac: 'Cost of a customer',
} as const;
type Shown = keyof typeof SHOWN;
const UNITS: Readonly<Record<Shown, string>> = {
  ...{ revenue: 'money', conversions: 'number', share: 'ratio', roas: 'number', cac: 'money' },
};

const textOf = (key: Row['key']): string =>
  Object.values(key)
    .filter((one) => one !== null)
    .join(' / ') || '(none)';

/** Methods of attribution side by side: who is given what was sold. */
export function Attribution() {
  const { params } = place.value;
  const methods = params.methods?.split(',') ?? [...DEFAULT];
  const shown = (params.show ?? 'revenue') as Shown;
  const lookback = params.lookback ?? '30d';
  const request = { path: '/attribution/compare', body: { ...headOf(range.value), methods, lookback } };
  const answer = useAnswer<CompareAnswer>(request);
  const turn = (method: string): void => {
    const next = methods.includes(method) ? methods.filter((one) => one !== method) : [...methods, method];
    if (next.length > 0) setParams({ methods: next.join(',') });
  };
  const columnsOf = ({ methods: all, currency }: CompareAnswer): readonly Column<Row>[] => [
    { title: 'Campaign and channel', value: ({ key }) => textOf(key) },
    {
      ...{ title: 'Spend', isNumber: true, value: ({ spend }) => spend },
      show: ({ spend }) => formatValue(spend, 'money', currency),
    },
    ...all.map(
      (method): Column<Row> => ({
        ...{
          title: titleOf(method),
          isNumber: true,
          hasBar: true,
          value: (row: Row) => row.methods[method]?.[shown],
        },
        show: (row) => formatValue(row.methods[method]?.[shown], UNITS[shown], currency),
      }),
    ),
  ];
  return (
    <div class="grid">
      <Tile title="Methods">
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out in a row by every browser */}
        <div class="chips" role="group" aria-label="Methods">
          {METHODS.map(([method, title]) => (
            <button
              key={method}
              type="button"
              aria-pressed={methods.includes(method)}
              onClick={() => turn(method)}
            >
              {title}
            </button>
          ))}
        </div>
        <Fields>
          <Select
            title="Show"
            value={shown}
            options={Object.entries(SHOWN)}
            choose={(value) => setParams({ show: value })}
          />
          <Input
            title="Touches of the last"
            value={lookback}
            change={(value) => setParams({ lookback: value })}
          />
        </Fields>
      </Tile>
      <Tile
        title={SHOWN[shown]}
        answer={answer}
        request={request}
        sheet={(data) => sheetOf(columnsOf(data), data.results)}
      >
        {(data) =>
          data.results.length === 0 ? (
            <Empty>
              No touch leads to an order here. Touches are events like <code>visit</code> with a customer, a
              channel and a campaign.
            </Empty>
          ) : (
            <Table
              label="Attribution"
              columns={columnsOf(data)}
              rows={data.results}
              keyOf={({ key }) => textOf(key)}
            />
          )
        }
      </Tile>
    </div>
  );
}

const titleOf = (method: string): string => METHODS.find(([name]) => name === method)?.[1] ?? method;
