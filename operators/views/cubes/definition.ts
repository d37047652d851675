import { type KvView, type LogSchema, MillraceError } from '../../../engine/index.ts';
import { type BackfillSlot, DAY_MS, readSlots, type WantedSlot } from '../backfill/index.ts';

const MIN_BUCKET_MS = 60_000;
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
  /** Whose rows it counts; absent: everybody's. */
  readonly scope?: string;
}

/** A cube as it is stored. Plain data. */
export interface CubeInfo extends CubeDefinition, BackfillSlot {
  readonly name: string;
  /** Of the row reader that adds to it, and its number of sums. */
  readonly version: string;
  readonly measures: number;
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

/** The cubes that a state holds, from the operator's table `definitions`, oldest first. */
export const readCubeInfo = (definitions: KvView): readonly CubeInfo[] => readSlots<CubeInfo>(definitions);

/** Whether a stored cube is what is wanted. */
export function isSameCube(cube: CubeInfo, wanted: WantedSlot<CubeInfo>): boolean {
  return (
    cube.name === wanted.name &&
    cube.scope === wanted.scope &&
    cube.bucket_ms === wanted.bucket_ms &&
    cube.version === wanted.version &&
    cube.measures === wanted.measures &&
    cube.dimensions.join('\0') === wanted.dimensions.join('\0')
  );
}
