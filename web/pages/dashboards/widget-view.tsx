import type { Metric } from '../../answers/index.ts';
import {
  Bars,
  Chart,
  Empty,
  Figure,
  formatTime,
  formatValue,
  LINE_COLOURS,
  Table,
} from '../../parts/index.ts';
import { zone } from '../../state/index.ts';
import { type Cell, groupText, type View, type Widget, type WidgetData } from './widgets.ts';

interface WidgetProps {
  readonly widget: Widget;
  readonly data: WidgetData | undefined;
  readonly metrics: ReadonlyMap<string, Metric>;
}

/** A widget by its type; one that cannot be answered says so itself. */
export function WidgetView({ widget, data, metrics }: WidgetProps) {
  if (widget.type === 'text') return <p class="text">{widget.text}</p>;
  if (data?.problem !== undefined) {
    return (
      <div class="problem" role="alert">
        <p>{data.problem.detail ?? 'This cannot be answered.'}</p>
        <code>{data.problem.code}</code>
      </div>
    );
  }
  const view = data?.view;
  if (view === undefined) return <Empty>Nothing to show.</Empty>;
  if (widget.type === 'number' && view.values !== undefined) return <Numbers view={view} metrics={metrics} />;
  if (widget.type === 'timeseries' && view.series !== undefined)
    return <Lines view={view} metrics={metrics} />;
  if ((widget.type === 'bar' || widget.type === 'pie') && view.values !== undefined) {
    return <ValueBars view={view} metrics={metrics} />;
  }
  return <Cells view={view} label={widget.title ?? 'Table'} />;
}

type Shown = Pick<WidgetProps, 'metrics'> & { readonly view: View };

function Numbers({ view: { values = [] }, metrics }: Shown) {
  return (
    <div class="figures">
      {values.map(({ metric, currency, value, previous, delta_pct }) => (
        <Figure
          key={`${metric} ${currency}`}
          title={metrics.get(metric)?.title ?? metric}
          unit={metrics.get(metric)?.unit ?? 'number'}
          currency={currency ?? null}
          value={value}
          {...(previous === undefined ? {} : { previous, change_pct: delta_pct ?? null })}
        />
      ))}
    </div>
  );
}

function Lines({ view: { series = [] }, metrics }: Shown) {
  const times = series[0]?.points.map(([time]) => Date.parse(time) / 1_000) ?? [];
  return (
    <Chart
      label={series.map(({ metric }) => metric).join(', ')}
      zone={zone.value}
      times={times}
      height={200}
      series={series.slice(0, LINE_COLOURS).map(({ metric, key, currency, points }) => ({
        label: [metrics.get(metric)?.title ?? metric, groupText(key)].filter((one) => one !== '').join(' '),
        unit: metrics.get(metric)?.unit ?? 'number',
        currency: currency ?? null,
        values: points.map(([, value]) => value),
      }))}
    />
  );
}

function ValueBars({ view: { values = [] }, metrics }: Shown) {
  return (
    <Bars
      label={values.map(({ metric }) => metric).join(', ')}
      bars={values.map(({ metric, key, currency, value }) => ({
        key: `${metric} ${groupText(key)}`,
        title: groupText(key) || metric,
        value: value ?? 0,
        text: formatValue(value, metrics.get(metric)?.unit ?? 'number', currency ?? null),
      }))}
    />
  );
}

function Cells({ view: { table }, label }: { readonly view: View; readonly label: string }) {
  if (table === undefined || table.rows.length === 0) return <Empty>Nothing in the range.</Empty>;
  return (
    <Table<readonly Cell[]>
      label={label}
      rows={table.rows}
      most={12}
      keyOf={(_row, at) => String(at)}
      columns={table.columns.map(({ name, type }, at) => ({
        title: name.replaceAll('_', ' '),
        isNumber: ['number', 'integer', 'money'].includes(type),
        value: (row) => {
          const cell = row[at];
          return typeof cell === 'boolean' ? String(cell) : cell;
        },
        show: (row) => {
          const cell = row[at];
          if (type === 'time' && typeof cell === 'string') return formatTime(cell, zone.value);
          return typeof cell === 'number' ? formatValue(cell) : String(cell ?? '–');
        },
      }))}
    />
  );
}
