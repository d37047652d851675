import { useAnswer } from '../../api/index.ts';
import {
  type Column,
  Empty,
  Fields,
  formatTime,
  Input,
  Select,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { place, setParams, zone } from '../../state/index.ts';

interface Listed {
  readonly tables: readonly { readonly name: string; readonly by: 'key' | 'window' }[];
}

/** A row of a table by key, or by key and window. */
interface Row {
  readonly key: string;
  readonly start?: string;
  readonly end?: string;
  readonly value: unknown;
}

interface Rows {
  readonly watermark: string | null;
  /** Of a listing. */
  readonly values?: readonly Row[];
  readonly next_cursor?: string | null;
  /** Of one key. */
  readonly key?: string;
  readonly value?: unknown;
}

const PAGE_ROWS = 50;
/** Members of values that get a column of their own; the others are in the last one. */
const COLUMNS_MAX = 8;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const cellOf = (value: unknown): string | number | null | undefined =>
  typeof value === 'string' || typeof value === 'number' || value === null || value === undefined
    ? value
    : JSON.stringify(value);

/** The members of objects side by side; what is no object in one column. */
function columnsOf(rows: readonly Row[], by: 'key' | 'window'): readonly Column<Row>[] {
  const names = [...new Set(rows.flatMap(({ value }) => (isObject(value) ? Object.keys(value) : [])))];
  const isFlat = rows.every(({ value }) => isObject(value)) && names.length <= COLUMNS_MAX;
  const windows: readonly Column<Row>[] =
    by === 'key'
      ? []
      : (['start', 'end'] as const).map((name) => ({
          ...{ title: name === 'start' ? 'From' : 'To', value: (row: Row) => row[name] },
          show: (row: Row) => formatTime(row[name], zone.value, true),
        }));
  const values: readonly Column<Row>[] = isFlat
    ? names.map((name) => {
        const memberOf = ({ value }: Row) => cellOf(isObject(value) ? value[name] : undefined);
        return {
          title: name,
          isNumber: rows.every((row) => typeof memberOf(row) === 'number'),
          value: memberOf,
        };
      })
    : [{ title: 'Value', isWide: true, value: ({ value }) => cellOf(value) }];
  return [{ title: 'Key', value: ({ key }) => key }, ...windows, ...values];
}

/** Rows of the tables that a topology keeps, each page one committed state. */
export function Tables() {
  const { params } = place.value;
  const listed = useAnswer<Listed>({ path: '/tables' });
  const tables = listed.data?.tables ?? [];
  const table = tables.find(({ name }) => name === params.table) ?? tables[0];
  if (listed.data !== undefined && table === undefined) {
    return (
      <div class="grid">
        <Tile title="Tables">
          <Empty>
            This topology keeps no table. <code>toTable</code> and <code>toWindowTable</code> make ones that
            can be read here.
          </Empty>
        </Tile>
      </div>
    );
  }
  return (
    <div class="grid">
      <Tile title="Table" answer={listed} request={{ path: '/tables' }}>
        {() => (
          <Fields>
            <Select
              title="Table"
              value={table?.name ?? ''}
              options={tables.map(
                ({ name, by }) => [name, by === 'key' ? name : `${name} (windows)`] as const,
              )}
              choose={(value) => setParams({ table: value, cursor: undefined })}
            />
            <Input
              title="Key"
              placeholder="all keys"
              value={params.key ?? ''}
              change={(value) => setParams({ key: value, prefix: undefined, cursor: undefined })}
            />
            {table?.by === 'key' ? (
              <Input
                title="Keys that begin with"
                value={params.prefix ?? ''}
                change={(value) => setParams({ prefix: value, key: undefined, cursor: undefined })}
              />
            ) : (
              <>
                <Input
                  title="Windows from"
                  placeholder="2026-01-31T12:00:00Z"
                  value={params.from ?? ''}
                  change={(value) => setParams({ from: value, cursor: undefined })}
                />
                <Input
                  title="until"
                  placeholder="2026-02-01T00:00:00Z"
                  value={params.until ?? ''}
                  change={(value) => setParams({ until: value, cursor: undefined })}
                />
              </>
            )}
          </Fields>
        )}
      </Tile>
      {table !== undefined && <TableRows table={table} />}
    </div>
  );
}

function TableRows({ table }: { readonly table: Listed['tables'][number] }) {
  const { params } = place.value;
  const { key, prefix, from, until, cursor } = params;
  const isOne = table.by === 'key' && key !== undefined;
  const bounds = table.by === 'key' ? { prefix } : { start: from, end: until };
  const request = {
    path: `/tables/${encodeURIComponent(table.name)}`,
    params: isOne ? { key } : { key, ...bounds, limit: PAGE_ROWS, cursor },
  };
  const answer = useAnswer<Rows>(request);
  const rowsOf = ({ values = [], ...one }: Rows): readonly Row[] =>
    one.key !== undefined && one.value !== undefined ? [{ key: one.key, value: one.value }] : values;
  return (
    <Tile
      title={table.name}
      answer={answer}
      request={request}
      sheet={(data) => sheetOf(columnsOf(rowsOf(data), table.by), rowsOf(data))}
    >
      {(data) => {
        const rows = rowsOf(data);
        if (rows.length === 0) return <Empty>No row is so. Rows come when events do.</Empty>;
        return (
          <>
            <Table
              label={`Rows of ${table.name}`}
              columns={columnsOf(rows, table.by)}
              rows={rows}
              most={PAGE_ROWS}
              keyOf={(row) => `${row.key} ${row.start ?? ''} ${row.end ?? ''}`}
            />
            <div class="actions">
              {cursor !== undefined && (
                <button type="button" onClick={() => setParams({ cursor: undefined })}>
                  First page
                </button>
              )}
              {data.next_cursor && (
                <button type="button" onClick={() => setParams({ cursor: data.next_cursor ?? undefined })}>
                  More
                </button>
              )}
            </div>
          </>
        );
      }}
    </Tile>
  );
}
