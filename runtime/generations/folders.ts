import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { TOPOLOGY_NAME } from '../../analytics/index.ts';
import {
  copyLmdbState,
  DATA_FILE,
  type GenerationLayout,
  listGenerations,
  makeCurrent,
  nextGeneration,
  PRIVATE_FOLDER_MODE,
} from '../../engine/index.ts';
import { WHOLE_STREAM } from '../host/index.ts';
import type { OrderOptions } from '../orders/index.ts';
import { noSuchGeneration, notABuild } from './errors.ts';
import { type GenerationRecord, readRecord, writeRecord } from './generation-record.ts';

/** A build that was interrupted: by a crash, or because the process ended. */
export interface InterruptedBuild {
  readonly generation: number;
  readonly reason: string;
  readonly options: OrderOptions;
  readonly started_at_ms: number;
}

/** A folder of a generation with its record. */
export interface KeptGeneration {
  readonly layout: GenerationLayout;
  readonly record: GenerationRecord;
}

/** The first generation has no record of its own. */
const FIRST: GenerationRecord = { state: 'built', reason: 'the first', options: {}, started_at_ms: 0 };

/** The folders of the generations of the order analytics. */
export class GenerationFolders {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The record of the current generation, put right where a crash came between its record and the pointer. */
  openCurrent({ path }: GenerationLayout): GenerationRecord {
    const record = readRecord(path) ?? FIRST;
    if (record.state !== 'former') return record;
    const current: GenerationRecord = { ...record, state: 'built' };
    writeRecord(path, current);
    return current;
  }

  recordOf({ path }: GenerationLayout): GenerationRecord {
    return readRecord(path) ?? FIRST;
  }

  /** Throws `no_such_generation`. */
  layoutOf(generation: number): GenerationLayout {
    const found = listGenerations(this.#root, TOPOLOGY_NAME).find((one) => one.generation === generation);
    if (found === undefined) throw noSuchGeneration(generation);
    return found;
  }

  all(): readonly KeptGeneration[] {
    return listGenerations(this.#root, TOPOLOGY_NAME).map((layout) => ({
      layout,
      record: this.recordOf(layout),
    }));
  }

  /** Builds that were interrupted, beside the current generation. */
  interrupted(current: number): readonly InterruptedBuild[] {
    return listGenerations(this.#root, TOPOLOGY_NAME).flatMap(({ generation, path }) => {
      const record = generation === current ? undefined : readRecord(path);
      if (record === undefined || record.state === 'former' || record.state === 'ready') return [];
      const { reason, options, started_at_ms } = record;
      return [{ generation, reason, options, started_at_ms }];
    });
  }

  /** Removes an interrupted build. Throws `not_a_build`. */
  async discard(current: number, generation: number): Promise<void> {
    const found = this.interrupted(current).find((build) => build.generation === generation);
    if (found === undefined) throw notABuild(generation);
    await this.remove(generation);
  }

  /** The folder of a build of these options and reason that was interrupted, or is ready; or a new one. */
  folderFor(
    current: number,
    wanted: Pick<GenerationRecord, 'reason' | 'options'>,
    now_ms: number,
  ): KeptGeneration {
    const found = this.all().find(
      ({ layout, record }) =>
        layout.generation !== current &&
        record.state !== 'former' &&
        record.reason === wanted.reason &&
        isDeepStrictEqual(record.options, wanted.options),
    );
    const layout = found?.layout ?? nextGeneration(this.#root, TOPOLOGY_NAME);
    const { reason, options } = wanted;
    const started_at_ms = found?.record.started_at_ms ?? now_ms;
    return { layout, record: { state: 'building', reason, options, started_at_ms } };
  }

  /**
   * Copies the state that lies in a folder, whose task may run in this process, without its free pages. What is there
   * of an attempt before is whole, or is made anew.
   */
  async copyInto({ path }: GenerationLayout, from: string): Promise<void> {
    const to = join(path, `p${WHOLE_STREAM}`);
    if (existsSync(join(to, DATA_FILE))) return;
    const part = join(path, 'copy');
    await rm(part, { recursive: true, force: true });
    await mkdir(part, { mode: PRIVATE_FOLDER_MODE });
    await copyLmdbState(from, part, { sharedWithWriter: true });
    await rm(join(part, 'lock.mdb'), { force: true });
    await synced(join(part, DATA_FILE));
    await synced(part);
    await rm(to, { recursive: true, force: true });
    await rename(part, to);
    await synced(path);
  }

  write({ path }: GenerationLayout, record: GenerationRecord): void {
    writeRecord(path, record);
  }

  /** Replaces the pointer. */
  point(generation: number): void {
    makeCurrent(this.#root, TOPOLOGY_NAME, generation);
  }

  /** What is not there is no error. */
  async remove(generation: number): Promise<void> {
    const left = listGenerations(this.#root, TOPOLOGY_NAME).find((one) => one.generation === generation);
    if (left !== undefined) await rm(left.path, { recursive: true, force: true });
  }
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
