import { DICTIONARY_TABLE, OPERATORS, rowSchema } from '../analytics/index.ts';
import { Dictionary, type KvTable, LogWriter, openLmdbStore } from '../engine/index.ts';
import { ShopBatch, type ShopRows, shopRows } from './scan-rows.ts';

/** Rows of a commit, as a task at full speed has them. */
const COMMIT_ROWS = 50_000;

/** A log of a shop's year, as the order analytics would have written it; returns its bytes. */
export async function writeShopLog(
  folder: string,
  events: number,
  customers: number,
  onRows: (rows: ShopRows) => void = () => {},
): Promise<number> {
  const store = openLmdbStore(folder, { durable: false });
  const table = (name: string): KvTable => store.table(`${OPERATORS.log}/${name}`);
  const tables = { segments: table('segments'), chunks: table('chunks') };
  const dictionary = new Dictionary();
  const writer = new LogWriter(tables, rowSchema());
  const batch = new ShopBatch(dictionary);
  const next = shopRows(events, customers);
  for (let rows = next(COMMIT_ROWS); rows !== undefined; rows = next(COMMIT_ROWS)) {
    writer.append(batch.fill(rows));
    store.transaction(() => {
      dictionary.flush(store.table(DICTIONARY_TABLE));
      writer.commit(tables);
    });
    onRows(rows);
  }
  const { bytes } = writer.totals();
  await store.close();
  return bytes;
}
