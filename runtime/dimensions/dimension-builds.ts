import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { DimensionPath } from '../../analytics/index.ts';
import { asMillraceError, type MetricSample } from '../../engine/index.ts';
import type { Definition } from '../definitions/index.ts';
import type { Generations } from '../generations/index.ts';
import type { OrderOptions } from '../orders/index.ts';
import { MAX_CUSTOM_DIMENSIONS } from '../settings/index.ts';
import { type DimensionBody, type Dimensions, stepsOf } from './dimension-kind.ts';

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

/** What the next generation is to have. */
type Target = Required<Pick<OrderOptions, 'customDimensions' | 'dimensionPaths'>>;

interface Failure {
  readonly target: Target;
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
  #building: { readonly target: Target; share: number } | undefined;
  #failure: Failure | undefined;
  readonly #ended = { built: 0, failed: 0 };

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

  stateOf(definition: Pick<Definition<DimensionBody>, 'tenant' | 'name' | 'body'>): DimensionState {
    const { tenant, name } = definition;
    const { customDimensions, dimensionPaths } = this.#options.generations.settings;
    const isBuilt = isDeepStrictEqual(dimensionPaths[tenant]?.[name], stepsOf(definition));
    if (isBuilt && customDimensions.includes(name)) return { status: 'ready' };
    const { code, message } = this.#failure ?? {};
    if (
      code !== undefined &&
      message !== undefined &&
      this.#failure?.target.customDimensions.includes(name) === true
    ) {
      return { status: 'failed', code, message };
    }
    const share = this.#building?.target.customDimensions.includes(name) === true ? this.#building.share : 0;
    return { status: 'building', share };
  }

  samples(): readonly MetricSample[] {
    const { dimensions } = this.#options;
    const states: Record<DimensionState['status'], number> = { ready: 0, building: 0, failed: 0 };
    for (const tenant of dimensions.tenants())
      for (const one of dimensions.list(tenant)) states[this.stateOf(one).status]++;
    const gauge = (name: string, help: string, value: number, labels = {}): MetricSample => ({
      ...{ name, kind: 'gauge', help, labels, value },
    });
    return [
      ...Object.entries(states).map(([state, value]) =>
        gauge('millrace.dimensions.defined', 'Dimensions that tenants have defined', value, { state }),
      ),
      gauge('millrace.dimensions.build.share', 'Of the build that runs', this.#building?.share ?? 0),
      ...Object.entries(this.#ended).map(([outcome, value]): MetricSample => {
        const sample = gauge('millrace.dimensions.builds', 'Builds that have ended', value, { outcome });
        return { ...sample, kind: 'counter' };
      }),
    ];
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
  #target(): Target | undefined {
    const { dimensions, generations } = this.#options;
    const { customDimensions: columns, dimensionPaths } = generations.settings;
    const defined = dimensions
      .tenants()
      .flatMap((tenant) => dimensions.list(tenant))
      .sort((a, b) => a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1));
    const needed = [
      ...new Set([...generations.declaredDimensions, ...defined.map(({ name }) => name)]),
    ].slice(0, MAX_CUSTOM_DIMENSIONS);
    const paths: Record<string, Record<string, DimensionPath>> = {};
    for (const definition of defined) {
      const { tenant, name } = definition;
      const steps = needed.includes(name) ? stepsOf(definition) : undefined;
      if (steps !== undefined) paths[tenant] = { ...paths[tenant], [name]: steps };
    }
    const missing = needed.filter((name) => !columns.includes(name));
    const isElsewhere = defined.some(
      ({ tenant, name }) => !isDeepStrictEqual(paths[tenant]?.[name], dimensionPaths[tenant]?.[name]),
    );
    if (missing.length === 0 && !isElsewhere) return undefined;
    return {
      customDimensions: [...columns.filter((name) => needed.includes(name)), ...missing],
      dimensionPaths: paths,
    };
  }

  async #build(target: Target): Promise<void> {
    const { generations, log, onBuilt } = this.#options;
    const building = { target, share: 0 };
    this.#building = building;
    const { signal } = this.#closing;
    try {
      await this.#discardOthers(target);
      const { generation } = await generations.build({
        // A build that an earlier version has left says nothing of paths.
        options:
          hasPaths(target) || hasPaths(generations.settings)
            ? target
            : { customDimensions: target.customDimensions },
        reason: REASON,
        onProgress: ({ share }) => {
          building.share = share;
        },
      });
      this.#failure = undefined;
      this.#ended.built++;
      log.info({ generation, ...target }, 'the dimensions are built');
      onBuilt();
    } catch (thrown) {
      if (signal.aborted) return;
      const { code, message, retriable } = asMillraceError(thrown);
      if (retriable) {
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
        return;
      }
      this.#failure = { target, code, message };
      this.#ended.failed++;
      log.error({ err: thrown, ...target }, 'dimensions could not be built');
    } finally {
      this.#building = undefined;
    }
  }

  /** Removes builds that were interrupted and are of other dimensions. */
  async #discardOthers(target: Target | undefined): Promise<void> {
    const { generations } = this.#options;
    for (const { generation, reason, options } of generations.interrupted()) {
      const { customDimensions, dimensionPaths = {} } = options;
      const isOther = reason === REASON && !isDeepStrictEqual({ customDimensions, dimensionPaths }, target);
      if (isOther) await generations.discard(generation);
    }
  }
}

const hasPaths = ({ dimensionPaths }: Pick<Target, 'dimensionPaths'>): boolean =>
  Object.keys(dimensionPaths).length > 0;
