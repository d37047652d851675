import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../engine/index.ts';
import type { FoundObject, ObjectFolder } from '../files/index.ts';

/** Files of a folder that are looked at. */
const FILES_MAX = 20_000;
const HASH_CHARS = 24;

interface Look {
  readonly size_bytes: number;
  readonly modified_ms: number;
}

/** Files of one folder of the host, below the folder of their tenant. Throws MillraceError. */
export class DropFolder implements ObjectFolder {
  readonly name: string;
  /** A copy may keep the time of its original. */
  readonly hasTrueTimes = false;
  readonly #root: string;
  readonly #path: string;
  readonly #stable_ms: number;
  /** Contents that were read for their hash, by name. */
  readonly #known = new Map<string, Look & { readonly version: string }>();

  /** `root` is all that may be read; `path` lies in it. */
  constructor(root: string, path: string, stable_ms: number) {
    this.#root = root;
    this.#path = join(root, path);
    this.#stable_ms = stable_ms;
    this.name = path === '' ? 'drop' : path;
  }

  async *list(signal: AbortSignal): AsyncGenerator<FoundObject> {
    const before = await this.#looks();
    await sleep(this.#stable_ms, undefined, { signal, ref: false });
    const after = await this.#looks();
    for (const name of this.#known.keys()) if (!after.has(name)) this.#known.delete(name);
    for (const [name, look] of after) {
      const first = before.get(name);
      // It is still being written.
      if (first?.size_bytes !== look.size_bytes || first.modified_ms !== look.modified_ms) continue;
      const version = await this.#versionOf(name, look, signal);
      if (version !== undefined) yield { key: name, version, modified_ms: look.modified_ms };
    }
  }

  async open(
    { key, version }: FoundObject,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const look = await this.#lookAt(key);
    if (look === undefined || (await this.#versionOf(key, look, signal)) !== version) return undefined;
    return createReadStream(join(this.#path, key), { signal });
  }

  close(): Promise<void> {
    this.#known.clear();
    return Promise.resolve();
  }

  /** The plain files of the folder. Links lead elsewhere, and are none. */
  async #looks(): Promise<ReadonlyMap<string, Look>> {
    await this.#requireInside();
    const found = new Map<string, Look>();
    for (const name of await readdir(this.#path)) {
      if (name.startsWith('.')) continue;
      const look = await this.#lookAt(name);
      if (look !== undefined) found.set(name, look);
      if (found.size <= FILES_MAX) continue;
      throw new MillraceError(
        'too_many_files',
        `The folder has more than ${FILES_MAX} files. Move away those that are done.`,
        { retriable: true },
      );
    }
    return found;
  }

  async #lookAt(name: string): Promise<Look | undefined> {
    try {
      const stat = await lstat(join(this.#path, name));
      return stat.isFile() ? { size_bytes: stat.size, modified_ms: stat.mtimeMs } : undefined;
    } catch {
      // Gone meanwhile.
      return undefined;
    }
  }

  async #requireInside(): Promise<void> {
    let [root, path] = [this.#root, this.#path];
    try {
      [root, path] = await Promise.all([realpath(root), realpath(path)]);
    } catch (error) {
      throw new MillraceError(
        'folder_missing',
        'The folder is not there. Make it below the folder that CONNECTOR_DROP_FOLDER has for the tenant.',
        { cause: error, retriable: true },
      );
    }
    if (path === root || path.startsWith(root + sep)) return;
    throw new MillraceError(
      'folder_forbidden',
      'The folder is a link that leads out of the folder of the tenant.',
    );
  }

  async #versionOf(name: string, look: Look, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#known.get(name);
    if (known?.size_bytes === look.size_bytes && known.modified_ms === look.modified_ms) return known.version;
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream(join(this.#path, name), { signal }))
        hash.update(chunk as Buffer);
    } catch (error) {
      signal.throwIfAborted();
      throw new MillraceError('file_unreadable_now', `The file ${name} cannot be read by the service.`, {
        cause: error,
        retriable: true,
      });
    }
    const version = `${look.size_bytes}-${hash.digest('hex').slice(0, HASH_CHARS)}`;
    this.#known.set(name, { ...look, version });
    return version;
  }
}
