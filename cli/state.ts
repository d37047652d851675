import {
  type KvView,
  META_TABLE,
  MillraceError,
  prefixEnd,
  readProgress,
  scopeRange,
  stateDigest,
} from '../engine/index.ts';
import { settingsOf, topologyOf, withState } from './app.ts';
import { type Command, JSON_OPTION, PLACE_OPTIONS } from './command.ts';
import { decodeRow, shapesOf, toJson } from './rows.ts';
import { verifyState } from './verify.ts';

const DATA_DIR = { 'data-dir': PLACE_OPTIONS['data-dir'] };
const DEFAULT_LIMIT_ROWS = 100;

const listCommand: Command = {
  name: 'state ls',
  summary: 'Lists the tables of the state with their rows and bytes',
  options: { ...DATA_DIR, ...JSON_OPTION },
  run: async (args, { env, print }) => {
    const settings = await settingsOf(env);
    const shapeOf = shapesOf(topologyOf(settings));
    const { progress, tables } = await withState(settings, (reader) => {
      const names = reader.tableNames();
      return reader.snapshot((table) => ({
        progress: readProgress(table(META_TABLE)),
        tables: names.map((name) => ({ table: name, kind: shapeOf(name).kind, ...sizeOf(table(name)) })),
      }));
    });
    if (args.flag('json')) print(JSON.stringify({ position: progress, tables }, null, 2));
    else {
      for (const { table, kind, rows, bytes } of tables) {
        print(
          `${table.padEnd(28)} ${kind.padEnd(8)} ${String(rows).padStart(10)} rows ${String(bytes).padStart(14)} bytes`,
        );
      }
      print(
        `position: ${progress?.stream ?? '-'} ${progress?.sequence ?? '-'}, commit ${progress?.commit ?? '-'}`,
      );
    }
    return 0;
  },
};

function sizeOf(view: KvView): { rows: number; bytes: number } {
  let rows = 0;
  let bytes = 0;
  for (const { key, value } of view.scan()) {
    rows++;
    bytes += key.length + value.length;
  }
  return { rows, bytes };
}

const getCommand: Command = {
  name: 'state get',
  parameters: 'TABLE',
  max_positionals: 1,
  summary: 'Prints rows of a table, one JSON object a line',
  details: [
    'Tables with a codec are decoded; others show text, JSON or hex.',
    'Exit code 1: there is no such row.',
  ],
  options: {
    ...DATA_DIR,
    scope: { type: 'string', value: 'NAME', help: 'only of this scope, e.g. a tenant' },
    key: { type: 'string', value: 'KEY', help: 'only the row of this key' },
    prefix: { type: 'string', value: 'TEXT', help: 'only keys that begin so' },
    limit: { type: 'string', value: 'N', help: `rows at most; default ${DEFAULT_LIMIT_ROWS}` },
  },
  run: async (args, { env, print }) => {
    const name = args.required(0);
    const limit = args.whole('limit', DEFAULT_LIMIT_ROWS);
    const [scope, wanted, prefix] = [args.text('scope'), args.text('key'), args.text('prefix')];
    const settings = await settingsOf(env);
    const shape = shapesOf(topologyOf(settings))(name);
    return await withState(settings, (reader) => {
      requireTable(name, reader.tableNames());
      return reader.snapshot((table) => {
        let found = 0;
        for (const entry of table(name).scan(rangeOf(scope))) {
          const row = decodeRow(shape, entry);
          const key = String(row.key);
          if (wanted !== undefined && key !== wanted) continue;
          if (prefix !== undefined && !key.startsWith(prefix)) continue;
          print(toJson(row));
          if (++found >= limit) break;
        }
        return found > 0 || wanted === undefined ? 0 : 1;
      });
    });
  },
};

function rangeOf(scope: string | undefined) {
  if (scope === undefined) return {};
  const { prefix } = scopeRange(scope);
  const end = prefixEnd(prefix);
  return end === undefined ? { start: prefix } : { start: prefix, end };
}

function requireTable(name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new MillraceError('unknown_table', `There is no table "${name}"; there are: ${names.join(', ')}.`);
}

const digestCommand: Command = {
  name: 'state digest',
  summary: 'Prints a hash of what the state says: equal for equal sets of events',
  options: DATA_DIR,
  run: async (_, { env, print }) => {
    const settings = await settingsOf(env);
    const digest = await withState(settings, (reader) => stateDigest(topologyOf(settings), reader));
    print(JSON.stringify(digest, null, 2));
    return 0;
  },
};

const verifyCommand: Command = {
  name: 'state verify',
  summary: 'Reads every row of every table, and checks that position, tables and topology fit together',
  details: ['Exit code 1: something is wrong.'],
  options: { ...DATA_DIR, ...JSON_OPTION },
  run: async (args, { env, print }) => {
    const settings = await settingsOf(env);
    const report = await withState(settings, (reader) => verifyState(reader, topologyOf(settings)));
    if (args.flag('json')) print(JSON.stringify(report, null, 2));
    else {
      for (const { table, rows } of report.tables)
        print(`${table.padEnd(28)} ${String(rows).padStart(10)} rows read`);
      for (const problem of report.problems) print(`problem: ${problem}`);
      print(report.problems.length === 0 ? 'The state is sound.' : `${report.problems.length} problems.`);
    }
    return report.problems.length === 0 ? 0 : 1;
  },
};

export const stateCommands: readonly Command[] = [listCommand, getCommand, digestCommand, verifyCommand];
