import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { MillraceError, replacePrivateFile } from '../../engine/index.ts';

/** Records whose newest version is remembered; those that were changed first go first. */
const MAX_KNOWN_RECORDS = 100_000;

const knownSchema = z.object({ version: z.number().int().min(1), record: z.unknown().optional() });
const fileSchema = z.record(z.string(), knownSchema);

/** What was last seen of a record that was changed since it was made. */
export interface KnownRecord {
  readonly version: number;
  /** The record itself, of those that are wanted even if they are gone from the bucket. */
  readonly record?: unknown;
}

/**
 * The newest version of each record of a bucket that was ever changed, in a file that whoever writes the bucket
 * cannot reach: an older version that is put back, signature and all, is known as such.
 */
export class KnownRecords {
  readonly #file: string | undefined;
  readonly #known: Map<string, KnownRecord>;
  /** Whether the file was not there. */
  readonly isNew: boolean;

  /** Without a file they are in memory only. Throws `known_records_unreadable`. */
  constructor(file?: string) {
    this.#file = file;
    const read = file === undefined ? undefined : readKnown(file);
    this.isNew = read === undefined;
    this.#known = new Map(Object.entries(read ?? {}));
  }

  /** From now on the file is there. */
  begin(): void {
    if (this.isNew) this.#write();
  }

  get(key: string): KnownRecord | undefined {
    return this.#known.get(key);
  }

  /** Remembers a version unless a newer one is known. It is on disk when this returns. */
  raise(key: string, { version, ...more }: KnownRecord): void {
    if (version <= (this.#known.get(key)?.version ?? 1)) return;
    this.#known.delete(key);
    this.#known.set(key, { version, ...more });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN_RECORDS && oldest !== undefined) this.#known.delete(oldest);
    this.#write();
  }

  #write(): void {
    if (this.#file !== undefined)
      replacePrivateFile(this.#file, JSON.stringify(Object.fromEntries(this.#known)));
  }
}

function readKnown(file: string): Record<string, KnownRecord> | undefined {
  try {
    // What zod infers for a member that may be absent has `undefined` in it, which JSON has not.
    return fileSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) as Record<string, KnownRecord>;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new MillraceError(
      'known_records_unreadable',
      `${file} cannot be read. It says which API keys were revoked: restore it, or delete it and revoke again ` +
        'what must not work any more.',
      { cause },
    );
  }
}
