import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import { cpu_ms } from './rig.ts';
import { SHOP_DIMENSIONS, type ShopRows, TYPES, VALUES } from './scan-rows.ts';

const MAX_CHUNK_ROWS = 2_048;

interface Vector {
  readonly items: Record<number, number | bigint>;
  readonly validity: { setItemValid(item: number, valid: boolean): void };
  flush(): void;
}

/** The rows in DuckDB's native table, typed as a careful user would: enums, integers, timestamps. */
export class DuckTable {
  readonly #connection: DuckDBConnection;
  readonly #append: (rows: ShopRows, from: number, to: number) => void;
  readonly #close: () => void;

  private constructor(
    connection: DuckDBConnection,
    append: (rows: ShopRows, from: number, to: number) => void,
    close: () => void,
  ) {
    this.#connection = connection;
    this.#append = append;
    this.#close = close;
  }

  static async create(path: string): Promise<DuckTable> {
    // Only here, so that no other process of the bench loads it.
    const duck = await import('@duckdb/node-api');
    const connection = await (await duck.DuckDBInstance.create(path)).connect();
    await connection.run('SET threads = 2');
    const listed = (values: readonly string[]): string[] => values.filter((value) => value !== '');
    const enums = SHOP_DIMENSIONS.map((name) => listed(VALUES[name]));
    const quoted = (values: readonly string[]): string => values.map((value) => `'${value}'`).join(', ');
    await connection.run(`CREATE TYPE types AS ENUM (${quoted(TYPES)})`);
    for (const [at, name] of SHOP_DIMENSIONS.entries())
      await connection.run(`CREATE TYPE ${name}s AS ENUM (${quoted(enums[at] ?? [])})`);
    await connection.run(
      `CREATE TABLE events (time TIMESTAMP, type types, customer INTEGER, session INTEGER,
       ${SHOP_DIMENSIONS.map((name) => `${name} ${name}s`).join(', ')}, amount BIGINT)`,
    );
    const appender = await connection.createAppender('events');
    const types = [
      ...[duck.TIMESTAMP, duck.ENUM(TYPES), duck.INTEGER, duck.INTEGER],
      ...enums.map((values) => duck.ENUM(values)),
      duck.BIGINT,
    ];
    const append = (rows: ShopRows, from: number, to: number): void => {
      const chunk = duck.DuckDBDataChunk.create(types, to - from);
      fill(chunk, rows, from, to);
      appender.appendDataChunk(chunk);
    };
    return new DuckTable(connection, append, () => appender.closeSync());
  }

  append(rows: ShopRows): void {
    for (let from = 0; from < rows.count; from += MAX_CHUNK_ROWS)
      this.#append(rows, from, Math.min(rows.count, from + MAX_CHUNK_ROWS));
  }

  async finish(): Promise<void> {
    this.#close();
    await this.#connection.run('CHECKPOINT');
  }

  /** Rows of an answer and the time it took, of all threads for `cpu_ms`. */
  async ask(
    sql: string,
  ): Promise<{ readonly ms: number; readonly cpu_ms: number; readonly rows: unknown[][] }> {
    const [began_ms, cpuBegan_ms] = [performance.now(), cpu_ms()];
    const reader = await this.#connection.runAndReadAll(sql);
    const ms = performance.now() - began_ms;
    return { ms, cpu_ms: cpu_ms() - cpuBegan_ms, rows: reader.getRows() };
  }

  close(): void {
    this.#connection.closeSync();
  }
}

function fill(chunk: DuckDBDataChunk, rows: ShopRows, from: number, to: number): void {
  const vector = (column: number): Vector => chunk.getColumnVector(column) as unknown as Vector;
  const [time, type, customer, session] = [0, 1, 2, 3].map(vector) as [Vector, Vector, Vector, Vector];
  const dimensions = SHOP_DIMENSIONS.map((name, at) => [vector(4 + at), rows.dimensions[name]] as const);
  const amount = vector(4 + SHOP_DIMENSIONS.length);
  for (let row = from; row < to; row++) {
    const at = row - from;
    time.items[at] = BigInt(rows.time_ms[row] as number) * 1_000n;
    type.items[at] = rows.type[row] as number;
    customer.items[at] = rows.customer[row] as number;
    session.items[at] = rows.session[row] as number;
    for (const [target, places] of dimensions) {
      const place = places[row] as number;
      if (place === 0) target.validity.setItemValid(at, false);
      else target.items[at] = place - 1;
    }
    const money = rows.amount[row] as number;
    if (Number.isNaN(money)) amount.validity.setItemValid(at, false);
    else amount.items[at] = BigInt(money);
  }
  for (let column = 0; column <= 4 + SHOP_DIMENSIONS.length; column++) vector(column).flush();
}
