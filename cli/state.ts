import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  type KvView,
  META_TABLE,
  MillraceError,
  type Progress,
  readProgress,
  stateDigest,
  stateFileProblems,
  systemClock,
} from '../engine/index.ts';
import {
  createSnapshot,
  type ListedSnapshot,
  listSnapshots,
  restoreSnapshot,
  type SnapshotManifest,
  snapshotsFolder,
  verifySnapshot,
} from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { existingStatePath, folderOf, type Place, placeOf, withState } from './place.ts';
import {
  decodedRows,
  shapesOf,
  timeText,
  toJson,
  totalsProblems,
  type VerifyReport,
  verifyState,
} from './verify/index.ts';

const DEFAULT_LIMIT_ROWS = 100;

export async function list(args: CommandArguments, { env, print }: CommandContext): Promise<ExitCode> {
  const place = await placeOf(env);
  const shapeOf = shapesOf(place.topology);
  const { progress, tables } = await withState(place, (reader) => {
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
    for (const line of positionLines(progress)) print(line);
  }
  return 0;
}

function positionLines(progress: Progress | undefined): string[] {
  if (progress === undefined) return ['nothing was committed yet'];
  const { commit, committed_at_ms, watermark_ms, others = {} } = progress;
  const inputs = [progress, ...Object.values(others)];
  return [
    ...inputs.map(({ stream, sequence, head }) => `position: ${stream} ${sequence} of ${head}`),
    `commit ${commit} at ${timeText(committed_at_ms)}, watermark ${watermark_ms === null ? 'not set yet' : timeText(watermark_ms)}`,
  ];
}

function sizeOf(view: KvView): { rows: number; bytes: number } {
  let rows = 0;
  let bytes = 0;
  for (const { key, value } of view.scan()) {
    rows++;
    bytes += key.length + value.length;
  }
  return { rows, bytes };
}

export async function get(args: CommandArguments, { env, print, note }: CommandContext): Promise<ExitCode> {
  const name = args.required(0);
  const limit = args.whole('limit', DEFAULT_LIMIT_ROWS);
  const [scope, wanted, prefix] = [args.text('scope'), args.text('key'), args.text('prefix')];
  const isAny = [scope, wanted, prefix].every((each) => each === undefined);
  const place = await placeOf(env);
  const shape = shapesOf(place.topology)(name);
  return await withState(place, (reader) => {
    requireTable(name, reader.tableNames());
    return reader.snapshot((table) => {
      let found = 0;
      for (const row of decodedRows(shape, table(name), scope)) {
        const key = String(row.key);
        if (wanted !== undefined && key !== wanted) continue;
        if (prefix !== undefined && !key.startsWith(prefix)) continue;
        print(toJson(row));
        if (++found >= limit) break;
      }
      if (found === 0) note(`No row of ${name} ${isAny ? 'is there' : 'is like that'}.`);
      return found > 0 || wanted === undefined ? 0 : 1;
    });
  });
}

function requireTable(name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new MillraceError('unknown_table', `There is no table "${name}"; there are: ${names.join(', ')}.`);
}

export async function digest({ env, print }: CommandContext): Promise<ExitCode> {
  const place = await placeOf(env);
  const found = await withState(place, (reader) => stateDigest(place.topology, reader));
  print(JSON.stringify(found, null, 2));
  return 0;
}

export async function verify(args: CommandArguments, { env, print }: CommandContext): Promise<ExitCode> {
  const place = await placeOf(env);
  const { tables, problems } = await verified(place);
  if (args.flag('json')) print(JSON.stringify({ tables, problems }, null, 2));
  else {
    for (const { table, rows } of tables) print(`${table.padEnd(28)} ${String(rows).padStart(10)} rows read`);
    for (const problem of problems) print(`problem: ${problem}`);
    print(problems.length === 0 ? 'The state is sound.' : `${problems.length} problems.`);
  }
  return problems.length === 0 ? 0 : 1;
}

/** First the file, which LMDB could not read where its pages are broken; then the rows; then views against each other. */
async function verified(place: Place): Promise<VerifyReport> {
  const inFile = stateFileProblems(existingStatePath(place));
  if (inFile.length > 0) return { tables: [], problems: inFile };
  return await withState(place, async (reader) => {
    const { tables, problems } = verifyState(reader, place.topology);
    if (problems.length > 0 || place.custom === undefined) return { tables, problems };
    return { tables, problems: await totalsProblems(reader, place.custom) };
  });
}

const MS_PER_MINUTE = 60_000;

const bytesOf = ({ files }: SnapshotManifest): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

const positionOf = ({ positions }: SnapshotManifest): string =>
  positions.map(({ stream, sequence }) => `${stream} ${sequence}`).join(', ');

/** A folder, or the name of one among the snapshots of the data folder. */
function snapshotPath(args: CommandArguments, dataDir: string): string {
  const given = args.required(0);
  const named = join(snapshotsFolder(dataDir), given);
  return basename(given) === given && existsSync(named) ? named : resolve(given);
}

export async function takeSnapshot(
  args: CommandArguments,
  { env, print }: CommandContext,
): Promise<ExitCode> {
  const { dataDir, topology } = await placeOf(env);
  const now_ms = systemClock.now();
  const name = new Date(now_ms).toISOString().replaceAll(/[:.]/g, '-');
  const to = resolve(args.text('to') ?? join(snapshotsFolder(dataDir), name));
  const manifest = await createSnapshot({ dataDir, topology: topology.name, to, now_ms });
  if (args.flag('json')) print(JSON.stringify({ path: to, ...manifest }, null, 2));
  else print(`${to}: ${positionOf(manifest)}, ${bytesOf(manifest)} bytes`);
  return 0;
}

export async function showSnapshots(
  args: CommandArguments,
  { env, print }: CommandContext,
): Promise<ExitCode> {
  const given = args.text('in');
  const found = listSnapshots(given === undefined ? snapshotsFolder(folderOf(env).dataDir) : resolve(given));
  if (args.flag('json')) print(JSON.stringify(found, null, 2));
  else if (found.length === 0) print('There are no snapshots.');
  else for (const one of found) print(lineOf(one, systemClock.now()));
  return 0;
}

function lineOf({ path, manifest, problem }: ListedSnapshot, now_ms: number): string {
  const name = basename(path).padEnd(26);
  if (manifest === undefined) return `${name} not usable [${problem?.code}]`;
  const minutes = Math.max(0, Math.floor((now_ms - Date.parse(manifest.created_at)) / MS_PER_MINUTE));
  const { topology } = manifest;
  return `${name} ${topology}  ${positionOf(manifest)}  ${bytesOf(manifest)} bytes  ${minutes} min old`;
}

export async function checkSnapshot(
  args: CommandArguments,
  { env, print }: CommandContext,
): Promise<ExitCode> {
  const path = snapshotPath(args, folderOf(env).dataDir);
  const manifest = await verifySnapshot(path);
  if (args.flag('json')) print(JSON.stringify({ path, ...manifest }, null, 2));
  else print(`The snapshot is sound: ${positionOf(manifest)}.`);
  return 0;
}

export async function putBackSnapshot(
  args: CommandArguments,
  { env, print }: CommandContext,
): Promise<ExitCode> {
  const { dataDir, topology } = await placeOf(env);
  const from = snapshotPath(args, dataDir);
  const isForced = args.flag('force');
  const restored = await restoreSnapshot({
    ...{ from, dataDir, topology: topology.name, isForced, now_ms: systemClock.now() },
  });
  if (args.flag('json')) {
    print(JSON.stringify(restored, null, 2));
    return 0;
  }
  print(`${restored.path} is current; the next start goes on behind ${positionOf(restored.manifest)}.`);
  if (restored.former !== undefined) print(`The former state stays in ${restored.former}.`);
  return 0;
}
