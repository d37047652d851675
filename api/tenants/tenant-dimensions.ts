import type { MetricSample } from '../../engine/index.ts';
import {
  type Definition,
  type Definitions,
  type DimensionBody,
  DimensionBuilds,
  type DimensionState,
  type Dimensions,
  dimensionKind,
} from '../../runtime/index.ts';
import { ApiError, type ApiPorts } from '../http/index.ts';
import type { DefinitionUsers } from './definition-users.ts';

/** Members of queries and definitions that are lists of dimensions. */
const LISTS: ReadonlySet<string> = new Set(['group_by', 'hold_constant', 'dimensions']);

/** The dimensions of each tenant: those of the installation, and its own. */
export class TenantDimensions {
  readonly definitions: Dimensions;
  readonly #ports: Pick<ApiPorts, 'settings' | 'generations' | 'log'>;
  #builds: DimensionBuilds | undefined;

  /** Registers the kind. */
  constructor(
    definitions: Definitions,
    ports: Pick<ApiPorts, 'settings' | 'generations' | 'log'>,
    users: DefinitionUsers,
  ) {
    this.#ports = ports;
    this.definitions = definitions.kind(
      dimensionKind({
        declared: () => this.#declared,
        tenant_max: ports.settings.dimensions_tenant_max,
        userOf: (tenant, name) =>
          users.find(tenant, (body) => [...dimensionsIn(body)].some((used) => used.name === name)),
      }),
    );
  }

  /** Once the definitions are loaded. `onBuilt` hears when there are others than before. */
  start(onBuilt: () => void): void {
    const { generations, log } = this.#ports;
    if (generations === undefined) return;
    this.#builds = new DimensionBuilds({ dimensions: this.definitions, generations, log, onBuilt });
    this.#builds.start();
  }

  close(): void {
    this.#builds?.close();
  }

  samples(): readonly MetricSample[] {
    return this.#builds?.samples() ?? [];
  }

  stateOf(definition: Pick<Definition<DimensionBody>, 'tenant' | 'name' | 'body'>): DimensionState {
    const state = this.#builds?.stateOf(definition);
    if (state !== undefined) return state;
    // Nothing is built here: what there is was declared.
    return this.#columns.includes(definition.name) ? { status: 'ready' } : { status: 'building', share: 0 };
  }

  /** Whether the tenant may see what is called so; what is no dimension of a tenant everybody sees. */
  sees(tenant: string, name: string): boolean {
    return this.#has(tenant, name) || !this.#columns.includes(name);
  }

  /**
   * Throws ApiError where a query or definition names a dimension of another tenant (`unknown_dimension`), or one
   * that cannot answer yet (`dimension_backfilling`, `dimension_failed`).
   */
  require(tenant: string, asked: unknown): void {
    for (const { name, path } of dimensionsIn(asked)) {
      if (!this.sees(tenant, name)) {
        const message = `There is no dimension "${name}".`;
        throw new ApiError('unknown_dimension', message, { errors: [{ path, message }] });
      }
      const own = this.definitions.byName(tenant, name);
      if (own !== undefined) this.#requireReady(own);
      else if (this.#declared.includes(name)) this.#requireReady({ tenant, name, body: {} });
    }
  }

  #requireReady(dimension: Pick<Definition<DimensionBody>, 'tenant' | 'name' | 'body'>): void {
    const { name } = dimension;
    const state = this.stateOf(dimension);
    if (state.status === 'ready' || (state.status === 'building' && this.#hasFormer(dimension))) return;
    if (state.status === 'failed') {
      throw new ApiError(
        'dimension_failed',
        `The dimension "${name}" could not be built: ${state.message} Delete and define it again to try again.`,
      );
    }
    throw new ApiError(
      'dimension_backfilling',
      `The dimension "${name}" is being built from the events, ${Math.floor(state.share * 100)} % of them are ` +
        'read. Ask again when GET /dimensions says "ready".',
      { retryAfter_s: 1 },
    );
  }

  /** Sentences about dimensions that a query names and that are as they were before their paths were changed. */
  warningsOf(tenant: string, asked: unknown): readonly string[] {
    const names = new Set(Array.from(dimensionsIn(asked), ({ name }) => name));
    return [...names].flatMap((name) => {
      const own = this.definitions.byName(tenant, name);
      if (own === undefined || !this.#hasFormer(own) || this.stateOf(own).status === 'ready') return [];
      return [`The dimension "${name}" is being built with its new path; until then it has the former one.`];
    });
  }

  /** The current generation has the dimension, at a path that it had for this tenant before. */
  #hasFormer({ tenant, name }: Pick<Definition<DimensionBody>, 'tenant' | 'name'>): boolean {
    const { customDimensions, dimensionPaths } = this.#ports.settings;
    return customDimensions.includes(name) && dimensionPaths[tenant]?.[name] !== undefined;
  }

  #has(tenant: string, name: string): boolean {
    return this.#declared.includes(name) || this.definitions.byName(tenant, name) !== undefined;
  }

  get #columns(): readonly string[] {
    return this.#ports.settings.customDimensions;
  }

  get #declared(): readonly string[] {
    return this.#ports.generations?.declaredDimensions ?? this.#columns;
  }
}

/** Every dimension that a query, or a definition, names: as a key of `filters`, and in lists. */
function* dimensionsIn(
  asked: unknown,
  path = '',
): Generator<{ readonly name: string; readonly path: string }> {
  if (typeof asked !== 'object' || asked === null) return;
  for (const [key, value] of Object.entries(asked)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (key === 'filters' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const name of Object.keys(value)) yield { name, path: `${at}.${name}` };
    } else if (LISTS.has(key) && Array.isArray(value)) {
      for (const name of value) if (typeof name === 'string') yield { name, path: at };
    } else yield* dimensionsIn(value, at);
  }
}
