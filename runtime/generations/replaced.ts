import { asMillraceError, type MillraceError } from '../../engine/index.ts';
import type { PartitionHost } from '../host/index.ts';
import type { GenerationFolders } from './folders.ts';
import type { Live } from './live.ts';

export interface ReleaseOptions {
  /**
   * Resolves when nothing reads from the state of a host any more whose generation was replaced. Its folder is removed
   * then.
   */
  readonly released: (host: PartitionHost) => Promise<void>;
  /** Hears what keeps a folder that is not needed any more from being removed: it goes at the next start. */
  readonly onLeftOver?: (error: MillraceError) => void;
}

/** Generations that were current, until nothing reads them any more. */
export class ReplacedGenerations {
  readonly #folders: GenerationFolders;
  readonly #options: ReleaseOptions;
  /** Those that queries may still read. */
  readonly #held = new Map<number, { readonly live: Live; readonly done: Promise<void> }>();
  /** Those whose folders go once nothing reads them. */
  readonly #doomed = new Set<number>();
  readonly #working = new Set<Promise<void>>();

  constructor(folders: GenerationFolders, options: ReleaseOptions) {
    this.#folders = folders;
    this.#options = options;
  }

  /** One that may be read still. */
  held(generation: number): Live | undefined {
    return this.#held.get(generation)?.live;
  }

  isDoomed(generation: number): boolean {
    return this.#doomed.has(generation);
  }

  /** It is current again. */
  takeBack(generation: number): void {
    this.#held.delete(generation);
  }

  /** Lets go of a generation once nothing reads from it, and removes it where it is not kept. */
  release(former: Live, isKept: boolean): void {
    const { host, layout } = former;
    const { generation } = layout;
    if (!isKept) this.#doomed.add(generation);
    const work: Promise<void> = this.#options.released(host).then(async () => {
      // It became current again meanwhile, or did and was replaced again.
      if (this.#held.get(generation)?.done !== done) return;
      await host.close();
      this.#held.delete(generation);
      if (this.#doomed.delete(generation)) await this.#folders.remove(generation);
    });
    const done = this.#keep(work);
    this.#held.set(generation, { live: former, done });
  }

  /** Removes one at once, or when the last query on it has ended. */
  async remove(generation: number): Promise<void> {
    if (this.#held.has(generation)) this.#doomed.add(generation);
    else await this.#folders.remove(generation);
  }

  /** Removes what a change that was interrupted has left. */
  removeLater(generation: number): void {
    void this.#keep(this.#folders.remove(generation));
  }

  #keep(work: Promise<void>): Promise<void> {
    const done: Promise<void> = work
      .catch((error: unknown) => this.#options.onLeftOver?.(asMillraceError(error)))
      .finally(() => this.#working.delete(done));
    this.#working.add(done);
    return done;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#working);
  }
}
