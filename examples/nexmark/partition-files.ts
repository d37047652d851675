import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  defineOperator,
  MillraceError,
  mapTable,
  type Operator,
  stringKey,
} from '../../index.ts';

/** The files that an operator appends to. Paths are relative, with `/`. */
export interface PartitionFiles {
  /**
   * Cuts the file to `length_bytes` (what lies behind was never committed), appends, and returns the new length
   * once that is on disk.
   */
  append(path: string, length_bytes: number, text: string): number;
  /** Makes an empty file, or leaves the one that is there. */
  mark(path: string): void;
}

/** Files below a folder of this machine. Throws `file_too_short` where something else has cut a file. */
export function localFiles(folder: string): PartitionFiles {
  return {
    append: (path, length_bytes, text) => {
      const file = openFile(folder, path);
      try {
        const bytes = Buffer.from(text);
        const { size } = fstatSync(file);
        if (size < length_bytes) {
          throw new MillraceError(
            'file_too_short',
            `"${path}" has ${size} bytes, and ${length_bytes} were committed: something else has ` +
              `written to ${folder}. Restore the file, or begin anew with an empty folder and state.`,
          );
        }
        ftruncateSync(file, length_bytes);
        for (let at = 0; at < bytes.length; ) {
          at += writeSync(file, bytes, at, bytes.length - at, length_bytes + at);
        }
        fsyncSync(file);
        return length_bytes + bytes.length;
      } finally {
        closeSync(file);
      }
    },
    mark: (path) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), '', { flag: 'a' });
    },
  };
}

/** Opens a file for writing anywhere in it; a new one is on disk, with its folders, before it is used. */
function openFile(folder: string, path: string): number {
  const whole = join(folder, path);
  if (!existsSync(whole)) {
    mkdirSync(dirname(whole), { recursive: true });
    closeSync(openSync(whole, 'a'));
    for (let at = path; at !== '.'; ) {
      at = dirname(at);
      const parent = openSync(join(folder, at), 'r');
      fsyncSync(parent);
      closeSync(parent);
    }
  }
  return openSync(whole, 'r+');
}

/** Each partition is complete once: no line of it is expected any more. */
export interface CompletePartition {
  readonly path: string;
}

export interface PartitionedFilesConfig<A> {
  readonly files: PartitionFiles;
  /** The partition's folder. */
  readonly pathOf: (item: A) => string;
  /** Event time at which the item's partition has everything, ms. */
  readonly endOf: (item: A) => number;
  readonly lineOf: (item: A) => string;
  /** Waited after the end before a partition is complete, ms of event time. */
  readonly delay_ms: number;
}

interface FileState {
  readonly length_bytes: number;
  /** `complete`: its success file is due, with a commit after the one that said so. */
  readonly phase: 'open' | 'complete' | 'marked';
}

const PHASES = ['open', 'complete', 'marked'] as const;

const fileCodec: Codec<FileState> = {
  write: (writer: ByteWriter, { length_bytes, phase }) => {
    writer.varint(length_bytes).u8(PHASES.indexOf(phase));
  },
  read: (reader: ByteReader) => {
    const length_bytes = reader.varint();
    return { length_bytes, phase: PHASES[reader.u8()] ?? 'open' };
  },
};

const tables = () => ({
  files: mapTable<string, FileState>({ key: stringKey, value: fileCodec, version: 1 }),
});

const DATA_FILE = 'part-0.csv';
const SUCCESS_FILE = '_SUCCESS';
const BUFFER_MAX_CHARS = 64 * 1_048_576;

/**
 * Lines to files by partition, exactly once: lines are appended and synced while the barrier passes, and the
 * files' lengths are part of the commit. A crash between the two leaves bytes that no commit knows of; the next
 * append cuts them off before it writes the same lines again. A partition whose end the watermark has passed
 * comes out, and gets the file `_SUCCESS` with the next commit. Lines that come later still are appended.
 * Memory: the lines since the last commit, at most 64 Mi characters. State: a row for each partition, for ever.
 */
export function partitionedFiles<A>(
  name: string,
  config: PartitionedFilesConfig<A>,
): Operator<A, CompletePartition> {
  return make<A>()(name, config);
}

const make = <A>() =>
  defineOperator<A, CompletePartition, PartitionedFilesConfig<A>, ReturnType<typeof tables>>({
    kind: 'partitioned-files',
    summary: 'Lines to files by partition, exactly once',
    state: tables,
    start: ({ config, state, timers, emit, requestBarrier }) => {
      const { files, pathOf, endOf, lineOf, delay_ms } = config;
      const table = state.files.scope('');
      const buffers = new Map<string, string>();
      let buffered_chars = 0;
      /** Completed by a commit that is on disk. */
      let due = table.entries().flatMap(([path, { phase }]) => (phase === 'complete' ? [path] : []));
      let dueNext: string[] = [];
      let complete: CompletePartition[] = [];
      const append = (path: string, text: string): void => {
        const known = table.get(path) ?? { length_bytes: 0, phase: 'open' };
        const length_bytes = files.append(`${path}/${DATA_FILE}`, known.length_bytes, text);
        table.set(path, { ...known, length_bytes });
      };
      return {
        onBatch: (items) => {
          for (const item of items) {
            const path = pathOf(item);
            const line = `${lineOf(item)}\n`;
            const before = buffers.get(path);
            if (before === undefined && table.get(path) === undefined)
              timers.set(endOf(item) + delay_ms, path);
            buffers.set(path, before === undefined ? line : before + line);
            buffered_chars += line.length;
          }
          if (buffered_chars > BUFFER_MAX_CHARS) requestBarrier();
        },
        onTimer: (_, path) => {
          complete.push({ path });
        },
        onWatermark: () => {
          const over = complete;
          complete = [];
          for (const { path } of over) {
            const known = table.get(path) ?? { length_bytes: 0, phase: 'open' };
            table.set(path, { ...known, phase: 'complete' });
            dueNext.push(path);
          }
          emit(over);
        },
        onBarrier: () => {
          for (const [path, text] of buffers) append(path, text);
          buffers.clear();
          buffered_chars = 0;
          for (const path of due) {
            files.mark(`${path}/${SUCCESS_FILE}`);
            const known = table.get(path);
            if (known !== undefined) table.set(path, { ...known, phase: 'marked' });
          }
          due = dueNext;
          dueNext = [];
        },
      };
    },
  });
