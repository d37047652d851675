import { createHash } from 'node:crypto';
import { MillraceError } from '../../engine/index.ts';
import type { JsonValue } from '../intake/index.ts';
import type { FoundObject } from './object-source.ts';

/** Versions of files that are remembered. */
const SEEN_MAX_OBJECTS = 6_000;
/** A file may become visible so long behind the time that it says, ms: that of an upload in parts is its beginning. */
const LATE_MAX_MS = 86_400_000;
/** Old ones are forgotten together. */
const FORGET_EVERY_S = 600;

/**
 * Which versions of files were read. Where times are true, those that are older than a day behind the newest one are
 * forgotten, and whatever is as old counts as read; elsewhere there can be only so many.
 */
export class SeenObjects {
  readonly #hasTrueTimes: boolean;
  /** By its hash the time of a version, s. */
  readonly #times: Map<string, number>;
  /** What is older was read, s. */
  #before_s: number;
  #newest_s = 0;

  constructor(json: unknown, hasTrueTimes: boolean) {
    this.#hasTrueTimes = hasTrueTimes;
    const { before_s, versions } = isSeen(json) ? json : { before_s: 0, versions: [] };
    this.#before_s = before_s;
    this.#times = new Map(
      versions.map((text) => {
        const [hash = '', time = '0'] = text.split(' ');
        return [hash, Number.parseInt(time, 36)] as const;
      }),
    );
    for (const time_s of this.#times.values()) this.#newest_s = Math.max(this.#newest_s, time_s);
  }

  has(object: FoundObject): boolean {
    return secondOf(object) < this.#before_s || this.#times.has(hashOf(object));
  }

  /** Throws `too_many_files`. */
  add(object: FoundObject): void {
    this.#times.set(hashOf(object), secondOf(object));
    this.#newest_s = Math.max(this.#newest_s, secondOf(object));
    const late_s = this.#newest_s - LATE_MAX_MS / 1_000;
    if (this.#hasTrueTimes && late_s > this.#before_s + FORGET_EVERY_S) this.#forget(late_s);
    if (this.#times.size <= SEEN_MAX_OBJECTS) return;
    if (!this.#hasTrueTimes) {
      throw new MillraceError(
        'too_many_files',
        `More than ${SEEN_MAX_OBJECTS} files of the folder were read, which is as many as are remembered. Move away those ` +
          'that are done, or divide them among several folders.',
      );
    }
    const times = [...this.#times.values()].sort((a, b) => a - b);
    const tenth = times[Math.floor(times.length / 10)] ?? 0;
    // Of one second all are remembered.
    this.#forget(times.find((time) => time > (times[0] ?? 0) && time >= tenth) ?? 0);
  }

  /** Forgets what is there no more. */
  keepOnly(objects: readonly FoundObject[]): void {
    const hashes = new Set(objects.map(hashOf));
    for (const hash of [...this.#times.keys()]) if (!hashes.has(hash)) this.#times.delete(hash);
  }

  toJson(): JsonValue {
    const versions = [...this.#times].map(([hash, time]) => `${hash} ${time.toString(36)}`);
    return { before_s: this.#before_s, versions };
  }

  #forget(before_s: number): void {
    if (before_s <= this.#before_s) return;
    this.#before_s = before_s;
    for (const [hash, time] of [...this.#times]) if (time < before_s) this.#times.delete(hash);
  }
}

const secondOf = ({ modified_ms }: FoundObject): number => Math.floor(modified_ms / 1_000);

/** Names a version of a file in few characters. */
const hashOf = ({ key, version }: FoundObject): string =>
  createHash('sha256').update(`${key}\0${version}`).digest('base64url').slice(0, 11);

function isSeen(json: unknown): json is { readonly before_s: number; readonly versions: readonly string[] } {
  if (typeof json !== 'object' || json === null || !('before_s' in json) || !('versions' in json))
    return false;
  return typeof json.before_s === 'number' && Array.isArray(json.versions);
}
