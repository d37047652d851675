import {
  ByteReader,
  ByteWriter,
  type KvTable,
  type KvView,
  type LogSchema,
  MillraceError,
} from '../../../engine/index.ts';

export const DAY_MS = 86_400_000;
const MIN_BUCKET_MS = 60_000;
/** Before and after every time: the first and the last moment of `Date`. */
export const ALL_TIME_MS = -8.64e15;
export const NEVER_MS = 8.64e15;
/** Dimensions of one cube at most. */
export const MAX_CUBE_DIMENSIONS = 4;

/** What a cube adds up. Its name keys it; another definition under the name is another cube, which is built anew. */
export interface CubeDefinition {
  readonly name: string;
  /**
   * Names of `text` columns of the rows. Where the items have a column of the same name, a row with items counts
   * once for each group of its items instead.
   */
  readonly dimensions: readonly string[];
  /** Length of a bucket: an hour, a day. */
  readonly bucket_ms: number;
}

/** A cube as it is stored. Plain data. */
export interface CubeInfo extends CubeDefinition {
  /** Keys its rows. */
  readonly id: number;
  /** Of the row reader that adds to it, and its number of sums. */
  readonly version: string;
  readonly measures: number;
  /** Rows from this time on are counted; what is before it waits to be built from the log. Moves back as it is. */
  readonly from_ms: number;
  /** The cube's rows are being removed. */
  readonly isDropped: boolean;
}

/** The time from which a cube has every row: a UTC day, ALL_TIME_MS, or NEVER_MS. */
export function completeFrom(cube: CubeInfo): number {
  if (cube.isDropped) return NEVER_MS;
  if (cube.from_ms === ALL_TIME_MS || cube.from_ms === NEVER_MS) return cube.from_ms;
  return Math.ceil(cube.from_ms / DAY_MS) * DAY_MS;
}

/** Throws `bad_config` for a cube that the rows cannot have. */
export function checkCube({ name, dimensions, bucket_ms }: CubeDefinition, schema: LogSchema): void {
  const refuse = (what: string): never => {
    throw new MillraceError('bad_config', `The cube "${name}" ${what}.`);
  };
  if (dimensions.length > MAX_CUBE_DIMENSIONS)
    refuse(`has ${dimensions.length} dimensions; ${MAX_CUBE_DIMENSIONS} are possible`);
  if (new Set(dimensions).size < dimensions.length) refuse('has a dimension twice');
  if (!Number.isSafeInteger(bucket_ms) || bucket_ms < MIN_BUCKET_MS || DAY_MS % bucket_ms !== 0)
    refuse(`has buckets of ${bucket_ms} ms; a day has to be a whole number of them, each at least a minute`);
  for (const dimension of dimensions) {
    const column = schema.columns.find((each) => each.name === dimension);
    if (column?.kind !== 'code' || column.text !== true)
      refuse(`has the dimension "${dimension}", which is no text column`);
  }
}

const idKey = (id: number): Uint8Array => new ByteWriter().u32(id).copy();

/** The cubes that a state holds, from the operator's table `definitions`, oldest first. */
export function readCubeInfo(definitions: KvView): readonly CubeInfo[] {
  return Array.from(definitions.scan(), ({ key, value }) => ({
    id: new ByteReader(key).u32(),
    ...(JSON.parse(Buffer.from(value).toString()) as Omit<CubeInfo, 'id'>),
  }));
}

export function writeCubeInfo(definitions: KvTable, { id, ...rest }: CubeInfo): void {
  definitions.put(idKey(id), Buffer.from(JSON.stringify(rest)));
}

export function removeCubeInfo(definitions: KvTable, id: number): void {
  definitions.remove(idKey(id));
}

/**
 * The stored cubes, with those of the configuration that are new or changed beside them, from `newFrom_ms` on, and
 * those that it no longer has marked as dropped.
 */
export function reconcile(
  stored: readonly CubeInfo[],
  wanted: readonly CubeDefinition[],
  reader: { readonly version: string; readonly measures: number },
  newFrom_ms: number,
): CubeInfo[] {
  const kept = stored.map((cube) =>
    wanted.some((definition) => isSame(cube, definition, reader)) ? cube : { ...cube, isDropped: true },
  );
  let id = Math.max(0, ...stored.map((cube) => cube.id));
  const added = wanted
    .filter((definition) => !kept.some((cube) => isSame(cube, definition, reader)))
    .map(({ name, dimensions, bucket_ms }) => ({
      id: ++id,
      ...{ name, dimensions, bucket_ms },
      version: reader.version,
      measures: reader.measures,
      from_ms: newFrom_ms,
      isDropped: false,
    }));
  return [...kept, ...added];
}

function isSame(
  cube: CubeInfo,
  { name, dimensions, bucket_ms }: CubeDefinition,
  { version, measures }: { readonly version: string; readonly measures: number },
): boolean {
  return (
    !cube.isDropped &&
    cube.name === name &&
    cube.bucket_ms === bucket_ms &&
    cube.version === version &&
    cube.measures === measures &&
    cube.dimensions.join('\0') === dimensions.join('\0')
  );
}
