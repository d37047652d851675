import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { asMillraceError } from '../../engine/index.ts';
import type { Definition } from '../definitions/index.ts';
import type { Generations } from '../generations/index.ts';
import { MAX_CUSTOM_DIMENSIONS } from '../settings/index.ts';
import type { DimensionBody, Dimensions } from './dimension-kind.ts';

/** Stable: a build that a restart interrupted is found by it. */
const REASON = 'custom dimensions';
const RETRY_MS = 500;

export type DimensionState =
  | { readonly status: 'ready' }
  /** `share` of the events is read, 0 to 1. */
  | { readonly status: 'building'; readonly share: number }
  | { readonly status: 'failed'; readonly code: string; readonly message: string };

export interface DimensionBuildsOptions {
  readonly dimensions: Dimensions;
  readonly generations: Pick<
    Generations,
    'build' | 'interrupted' | 'discard' | 'settings' | 'declaredDimensions'
  >;
  readonly log: Logger;
  /** Called when a generation with other dimensions is current. */
  readonly onBuilt: () => void;
}

interface Failure {
  readonly target: readonly string[];
  readonly code: string;
  readonly message: string;
}

/**
 * Gives every dimension that is defined its column: builds a generation with it beside the live one, one at a time;
 * what is defined meanwhile is built together afterwards. A column that nobody needs any more goes with the next build.
 */
export class DimensionBuilds {
  readonly #options: DimensionBuildsOptions;
  readonly #closing = new AbortController();
  #stopListening: (() => void) | undefined;
  #isRunning = false;
  #building: { readonly target: readonly string[]; share: number } | undefined;
  #failure: Failure | undefined;

  constructor(options: DimensionBuildsOptions) {
    this.#options = options;
  }

  /** Once the definitions are loaded. A build that was interrupted goes on. */
  start(): void {
    this.#stopListening = this.#options.dimensions.onChange(() => this.#begin());
    if (this.#target() !== undefined) this.#begin();
    else {
      this.#discardOthers(undefined).catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'an interrupted build that nobody needs could not be removed'),
      );
    }
  }

  /** A build that runs stays to go on with: closing the generations interrupts it. */
  close(): void {
    this.#stopListening?.();
    this.#closing.abort();
  }

  stateOf({ name }: Pick<Definition<DimensionBody>, 'name'>): DimensionState {
    if (this.#columns.includes(name)) return { status: 'ready' };
    const { code, message } = this.#failure ?? {};
    if (code !== undefined && message !== undefined && this.#failure?.target.includes(name) === true) {
      return { status: 'failed', code, message };
    }
    const share = this.#building?.target.includes(name) === true ? this.#building.share : 0;
    return { status: 'building', share };
  }

  get #columns(): readonly string[] {
    return this.#options.generations.settings.customDimensions;
  }

  #begin(): void {
    if (this.#isRunning || this.#closing.signal.aborted) return;
    this.#isRunning = true;
    this.#run().catch((error: unknown) => {
      this.#isRunning = false;
      this.#options.log.error({ err: error }, 'the builds of dimensions stopped; a change begins them anew');
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      const target = this.#target();
      // Deleted and defined again, it is tried again.
      if (!isDeepStrictEqual(target, this.#failure?.target)) this.#failure = undefined;
      if (this.#closing.signal.aborted || target === undefined || this.#failure !== undefined) break;
      await this.#build(target);
    }
    // In the same turn as the last look: a change after it begins anew.
    this.#isRunning = false;
  }

  /** The columns that the next generation is to have; undefined while the current one has all that are needed. */
  #target(): readonly string[] | undefined {
    const { dimensions, generations } = this.#options;
    const defined = dimensions
      .tenants()
      .flatMap((tenant) => dimensions.list(tenant))
      .sort((a, b) => a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1));
    const needed = [
      ...new Set([...generations.declaredDimensions, ...defined.map(({ name }) => name)]),
    ].slice(0, MAX_CUSTOM_DIMENSIONS);
    const columns = this.#columns;
    const missing = needed.filter((name) => !columns.includes(name));
    if (missing.length === 0) return undefined;
    return [...columns.filter((name) => needed.includes(name)), ...missing];
  }

  async #build(target: readonly string[]): Promise<void> {
    const { generations, log, onBuilt } = this.#options;
    const building = { target, share: 0 };
    this.#building = building;
    const { signal } = this.#closing;
    try {
      await this.#discardOthers(target);
      const { generation } = await generations.build({
        options: { customDimensions: target },
        reason: REASON,
        onProgress: ({ share }) => {
          building.share = share;
        },
      });
      this.#failure = undefined;
      log.info({ generation, dimensions: target }, 'the dimensions are built');
      onBuilt();
    } catch (thrown) {
      if (signal.aborted) return;
      const { code, message, retriable } = asMillraceError(thrown);
      if (retriable) {
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
        return;
      }
      this.#failure = { target, code, message };
      log.error({ err: thrown, dimensions: target }, 'dimensions could not be built');
    } finally {
      this.#building = undefined;
    }
  }

  /** Removes builds that were interrupted and are of other dimensions. */
  async #discardOthers(target: readonly string[] | undefined): Promise<void> {
    const { generations } = this.#options;
    for (const { generation, reason, options } of generations.interrupted()) {
      const isOther = reason === REASON && !isDeepStrictEqual(options.customDimensions, target);
      if (isOther) await generations.discard(generation);
    }
  }
}
