import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Sheet } from './download.ts';

/** A column: how a row's value is sorted and saved, and how it is shown. */
export interface Column<R> {
  readonly title: string;
  readonly value: (row: R) => string | number | null | undefined;
  /** Default: the value itself. */
  readonly show?: (row: R) => ComponentChildren;
  readonly isNumber?: boolean;
  /** A number with a bar beside it, as long as it is of the largest of the column. */
  readonly hasBar?: boolean;
  /** Text that may take several lines. */
  readonly isWide?: boolean;
}

interface TableProps<R> {
  readonly columns: readonly Column<NoInfer<R>>[];
  readonly rows: readonly R[];
  readonly keyOf: (row: NoInfer<R>, at: number) => string;
  /** Said to readers who do not see it. */
  readonly label: string;
  /** Rows that are shown at once; more by a button. */
  readonly most?: number;
}

const MOST_ROWS = 20;

/** The same rows as they are saved. */
export function sheetOf<R>(columns: readonly Column<R>[], rows: readonly R[]): Sheet {
  return {
    columns: columns.map(({ title }) => title),
    rows: rows.map((row) => columns.map(({ value }) => value(row))),
  };
}

function inOrder<R>(rows: readonly R[], { value }: Column<R>, isDown: boolean): readonly R[] {
  const sign = isDown ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === y) return 0;
    // What is missing comes last, whichever way.
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return (
      (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))) * sign
    );
  });
}

const classOf = ({ isNumber, isWide }: Column<never>): string =>
  isNumber === true ? 'number' : isWide === true ? 'wide' : '';

/** A value with a bar of its share of `most`. */
function WithBar({
  value,
  most,
  children,
}: {
  readonly value: string | number | null | undefined;
  readonly most: number;
  readonly children: ComponentChildren;
}) {
  const share = typeof value === 'number' && most > 0 ? Math.max(0, value / most) : 0;
  return (
    <div class="with-bar">
      <span>{children}</span>
      <svg aria-hidden="true">
        <rect class="rest" width="100%" height="100%" rx="2" />
        <rect width={`${share * 100}%`} height="100%" rx="2" />
      </svg>
    </div>
  );
}

/** The largest value of each column that has bars. */
const mostOf = <R,>(columns: readonly Column<R>[], rows: readonly R[]): readonly number[] =>
  columns.map(({ hasBar, value }) =>
    hasBar === true ? rows.reduce((most, row) => Math.max(most, Number(value(row)) || 0), 0) : 0,
  );

/** Rows in columns that sort by a click on their title. */
export function Table<R>({ columns, rows, keyOf, label, most = MOST_ROWS }: TableProps<R>) {
  const order = useSignal<{ readonly at: number; readonly isDown: boolean } | null>(null);
  const shownMax = useSignal(most);
  const by = order.value === null ? undefined : columns[order.value.at];
  const sorted = by === undefined ? rows : inOrder(rows, by, order.value?.isDown ?? false);
  const shown = sorted.slice(0, shownMax.value);
  const largest = mostOf(columns, rows);
  const turn = (at: number): void => {
    const isSame = order.value?.at === at;
    order.value = { at, isDown: isSame ? !order.value?.isDown : (columns[at]?.isNumber ?? false) };
  };
  return (
    <section class="scroll" tabindex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title, isNumber }, at) => (
              <th
                key={title}
                scope="col"
                class={isNumber === true ? 'number' : ''}
                aria-sort={order.value?.at !== at ? 'none' : order.value.isDown ? 'descending' : 'ascending'}
              >
                <button type="button" class="plain" onClick={() => turn(at)}>
                  {title}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, at) => (
            <tr key={keyOf(row, at)}>
              {columns.map((column, of) => {
                const text = column.show === undefined ? (column.value(row) ?? '–') : column.show(row);
                return (
                  <td key={column.title} class={classOf(column)}>
                    {column.hasBar === true ? (
                      <WithBar value={column.value(row)} most={largest[of] ?? 0}>
                        {text}
                      </WithBar>
                    ) : (
                      text
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shownMax.value && (
        <button
          type="button"
          class="more"
          onClick={() => {
            shownMax.value += most * 4;
          }}
        >
          Show more of {rows.length} rows
        </button>
      )}
    </section>
  );
}
