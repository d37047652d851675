import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError } from '../../engine/index.ts';
import {
  BATCH_MAX_BYTES,
  BATCH_MAX_RECORDS,
  type JsonValue,
  type RecordSource,
  type SourceBatch,
  type SourceRecord,
} from '../intake/index.ts';
import { type FormatChoice, fileRecords, formatOf } from './file-records.ts';
import { SeenObjects } from './seen-objects.ts';

/** A whole file somewhere: what is read of it does not change without another version. */
export interface FoundObject {
  /** Its name there. */
  readonly key: string;
  /** Another one for other content. */
  readonly version: string;
  readonly modified_ms: number;
}

/** Where files lie. */
export interface ObjectFolder {
  /** For places: `bucket`, or a folder. */
  readonly name: string;
  /** Versions cannot become visible long behind the time that they say. */
  readonly hasTrueTimes: boolean;
  /** All that there are and that are whole. Throws MillraceError. */
  list(signal: AbortSignal): AsyncIterable<FoundObject>;
  /** Undefined: it is not there any more, or is another one. */
  open(object: FoundObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  close(): Promise<void>;
}

export interface ObjectSourceOptions {
  readonly folder: ObjectFolder;
  readonly choice: FormatChoice;
  /** Between two looks, ms. */
  readonly interval_ms: number;
}

interface Current {
  readonly key: string;
  readonly version: string;
  /** Records of it that are taken. */
  readonly done: number;
}

/** What was found new and is not read yet; the rest is found at the next look. */
const WAITING_MAX_OBJECTS = 10_000;

/**
 * Files that come to a folder, each version read once, the oldest first. The position says which were read, and how far
 * the one is that is being read.
 */
export class ObjectSource implements RecordSource {
  readonly #options: ObjectSourceOptions;
  #wake = new AbortController();
  #waiting: number | null = null;

  constructor(options: ObjectSourceOptions) {
    this.#options = options;
  }

  async *read(position: JsonValue | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const { folder, interval_ms } = this.#options;
    const given = isRecord(position) ? position : {};
    const seen = new SeenObjects(given.seen, folder.hasTrueTimes);
    let current = currentOf(given.current);
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      this.#wake = new AbortController();
      const found = await this.#found(seen, current, signal);
      // Says that it could be looked.
      if (isFirst && found.length === 0) yield { records: [], position: positionOf(seen, current) };
      for (const [at, object] of found.entries()) {
        this.#waiting = found.length - at;
        if (signal.aborted) return;
        const from = current?.key === object.key && current.version === object.version ? current.done : 0;
        for await (const { records, done } of this.#batches(object, from, signal)) {
          current = { key: object.key, version: object.version, done };
          yield { records, position: positionOf(seen, current) };
        }
        if (signal.aborted) return;
        seen.add(object);
        current = undefined;
        yield { records: [], position: positionOf(seen, current) };
      }
      this.#waiting = 0;
      const ending = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(interval_ms, undefined, { signal: ending, ref: false }).catch(() => undefined);
    }
  }

  /** Of the last look: files, of which nobody knows the records. */
  lag(): Promise<number | null> {
    return Promise.resolve(this.#waiting === 0 ? 0 : null);
  }

  wake(): void {
    this.#wake.abort();
  }

  close(): Promise<void> {
    return this.#options.folder.close();
  }

  /** What was not read yet; the one that was begun is first. */
  async #found(
    seen: SeenObjects,
    current: Current | undefined,
    signal: AbortSignal,
  ): Promise<readonly FoundObject[]> {
    const { folder, choice } = this.#options;
    const found: FoundObject[] = [];
    const listed: FoundObject[] = [];
    for await (const object of folder.list(signal)) {
      if (!folder.hasTrueTimes) listed.push(object);
      if (formatOf(object.key, choice) === undefined || seen.has(object)) continue;
      found.push(object);
      if (found.length >= 2 * WAITING_MAX_OBJECTS) found.sort(oldestFirst).splice(WAITING_MAX_OBJECTS);
    }
    if (!folder.hasTrueTimes) seen.keepOnly(listed);
    const isCurrent = ({ key, version }: FoundObject): boolean =>
      key === current?.key && version === current.version;
    return found.sort((a, b) => Number(isCurrent(b)) - Number(isCurrent(a)) || oldestFirst(a, b));
  }

  async *#batches(
    object: FoundObject,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly records: readonly SourceRecord[]; readonly done: number }> {
    const { folder, choice } = this.#options;
    const bytes = await folder.open(object, signal);
    if (bytes === undefined) return;
    const place = `${folder.name}/${object.key}@${object.version}`;
    let [done, size_bytes] = [0, 0];
    let records: SourceRecord[] = [];
    try {
      for await (const { number, ...record } of fileRecords(object.key, bytes, choice)) {
        if (++done <= from) continue;
        records.push({ ...record, place: `${place}#${number}` });
        size_bytes += record.value.length;
        if (records.length < BATCH_MAX_RECORDS && size_bytes < BATCH_MAX_BYTES) continue;
        yield { records, done };
        [records, size_bytes] = [[], 0];
      }
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = asMillraceError(error);
      if (code !== 'file_unreadable') throw error;
      // What was read of it counts; the rest is told of, and the other files go on.
      if (++done > from)
        records.push({ value: Buffer.from(object.key), place, problem: { code, detail: message } });
    }
    if (records.length > 0) yield { records, done };
  }
}

const oldestFirst = (a: FoundObject, b: FoundObject): number =>
  a.modified_ms - b.modified_ms || (a.key < b.key ? -1 : 1);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function currentOf(value: unknown): Current | undefined {
  if (!isRecord(value)) return undefined;
  const { key, version, done } = value;
  if (typeof key !== 'string' || typeof version !== 'string' || typeof done !== 'number') return undefined;
  return { key, version, done };
}

const positionOf = (seen: SeenObjects, current: Current | undefined): JsonValue => ({
  ...(current === undefined ? {} : { current: { ...current } }),
  seen: seen.toJson(),
});
