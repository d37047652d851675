import { openLmdbReader } from '../state/index.ts';
import { queryTable, type TableQuery } from './interactive.ts';

/** Another process that asks: prints the answer to the query that it is called with. */
const [path = '', table = '', query = ''] = process.argv.slice(2);
const reader = openLmdbReader(path);
process.stdout.write(JSON.stringify(queryTable(reader, table, JSON.parse(query) as TableQuery)));
await reader.close();
