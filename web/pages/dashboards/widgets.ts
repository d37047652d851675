import type { Sheet } from '../../parts/index.ts';

/** A widget of a dashboard, with its place on a grid of 12 columns. */
export interface Widget {
  readonly type: 'timeseries' | 'number' | 'bar' | 'pie' | 'table' | 'funnel' | 'heatmap' | 'text';
  readonly title?: string;
  readonly text?: string;
  readonly layout?: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly [member: string]: unknown;
}

export type Cell = string | number | boolean | null;
type Key = Readonly<Record<string, string | null>>;

/** What a widget shows: `view` of its answer. Money of `series` and `values` is in minor units, of `table` in major ones. */
export interface View {
  readonly series?: readonly {
    readonly metric: string;
    readonly key: Key;
    readonly currency?: string | null;
    readonly points: readonly (readonly [time: string, value: number | null])[];
  }[];
  readonly values?: readonly {
    readonly metric: string;
    readonly key: Key;
    readonly currency?: string | null;
    readonly value: number | null;
    readonly previous?: number | null;
    readonly delta_pct?: number | null;
  }[];
  readonly table?: {
    readonly columns: readonly { readonly name: string; readonly type: string }[];
    readonly rows: readonly (readonly Cell[])[];
  };
}

export interface WidgetData {
  readonly view?: View;
  readonly problem?: { readonly code: string; readonly detail?: string };
}

export interface Board {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly revision: number;
  readonly created_by: string;
  readonly widgets: readonly Widget[];
  readonly data?: { readonly widgets: readonly WidgetData[]; readonly sequence: number | null };
}

/** Values of dimensions, as a reader sees them. */
export const groupText = (key: Key): string =>
  Object.values(key)
    .map((one) => one ?? '(none)')
    .join(' / ');

/** The numbers of a widget, to be saved; undefined where it has none. Money as in `View`. */
export function sheetOfView(view: View | undefined): Sheet | undefined {
  if (view?.series !== undefined) {
    return {
      columns: ['metric', 'group', 'currency', 'time', 'value'],
      rows: view.series.flatMap(({ metric, key, currency, points }) =>
        points.map(([time, value]) => [metric, groupText(key), currency, time, value]),
      ),
    };
  }
  if (view?.values !== undefined) {
    return {
      columns: ['metric', 'group', 'currency', 'value', 'previous'],
      rows: view.values.map((one) => [
        ...[one.metric, groupText(one.key), one.currency, one.value, one.previous],
      ]),
    };
  }
  return (
    view?.table && {
      columns: view.table.columns.map(({ name }) => name),
      rows: view.table.rows.map((row) =>
        row.map((cell) => (typeof cell === 'boolean' ? String(cell) : cell)),
      ),
    }
  );
}
