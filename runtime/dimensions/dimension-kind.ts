import { z } from 'zod';
import { type DimensionPath, parsePath } from '../../analytics/index.ts';
import type { Candidate, Definition, DefinitionKind, KindDefinitions } from '../definitions/index.ts';
import { DefinitionError, invalidMember } from '../definitions/index.ts';
import { isDimensionName, MAX_CUSTOM_DIMENSIONS } from '../settings/index.ts';

/** Where a dimension lies in an event. */
export interface DimensionBody {
  /** The member of an event, or of its `data`, that it is: by default that of its name. */
  readonly path?: string | undefined;
}

const schema: z.ZodType<DimensionBody> = z.strictObject({
  path: z
    .string()
    .max(256)
    .optional()
    .describe(
      'Of the event, else of its `data`: `data.delivery.carrier`, `data.tags[0]`; by default its name',
    ),
});

export type Dimensions = KindDefinitions<DimensionBody>;

export interface DimensionKindOptions {
  /** Those that every tenant has. */
  readonly declared: () => readonly string[];
  /** Of one tenant: all share the columns of the installation. */
  readonly tenant_max: number;
  /** What of the tenant names the dimension, as a text for the answer; undefined: nothing does. */
  readonly userOf: (tenant: string, name: string) => string | undefined;
}

/** Dimensions that a tenant defines while the service runs. */
export function dimensionKind({
  declared,
  tenant_max,
  userOf,
}: DimensionKindOptions): DefinitionKind<DimensionBody> {
  const requireUnused = (tenant: string, name: string): void => {
    const user = userOf(tenant, name);
    if (user === undefined) return;
    throw new DefinitionError(
      'definition_in_use',
      `${user} names the dimension "${name}". Change or delete that first.`,
    );
  };
  return {
    kind: 'dimension',
    schema,
    name: z
      .string()
      .refine(
        isDimensionName,
        'is a name of letters, digits and "_", 64 at most, that no field of an event has',
      ),
    limit: tenant_max,
    check: (candidate, others) => {
      const { tenant, id } = candidate;
      check(candidate, others, declared());
      const former = id === undefined ? undefined : others.get(tenant, id);
      if (former !== undefined && former.name !== candidate.name) requireUnused(tenant, former.name);
    },
    checkDelete: ({ tenant, name }) => requireUnused(tenant, name),
  };
}

/** The steps to a dimension that is not the member of its name; undefined: it is. */
export function stepsOf({
  name,
  body: { path = name },
}: Pick<Definition<DimensionBody>, 'name' | 'body'>): DimensionPath | undefined {
  const steps = parsePath(path);
  // What an event does not name in its schema is a member of `data`, wherever it was sent.
  const inner = steps !== undefined && steps.length > 1 && steps[0] === 'data' ? steps.slice(1) : steps;
  return inner === undefined || (inner.length === 1 && inner[0] === name) ? undefined : inner;
}

function checkPath(path: string | undefined): void {
  if (path === undefined) return;
  const steps = parsePath(path);
  if (steps === undefined) throw invalidMember('path', 'is no path such as "data.delivery.carrier"');
  if (path.includes('[]')) {
    throw invalidMember(
      'path',
      'names all elements of an array: a dimension has one value, so say which, as in "tags[0]"',
    );
  }
  const [first] = steps[0] === 'data' ? steps.slice(1) : steps;
  if (first === undefined || typeof first === 'number')
    throw invalidMember('path', 'names no member of an event');
}

function check(
  { id, name, body }: Candidate<DimensionBody>,
  others: Dimensions,
  declared: readonly string[],
): void {
  checkPath(body.path);
  if (declared.includes(name)) {
    const message = 'is that of a dimension of every tenant';
    throw new DefinitionError('name_taken', `The name ${message}.`, [{ path: 'name', message }]);
  }
  const names = new Set([...declared, name]);
  for (const tenant of others.tenants()) {
    for (const other of others.list(tenant)) if (other.id !== id) names.add(other.name);
  }
  if (names.size <= MAX_CUSTOM_DIMENSIONS) return;
  throw new DefinitionError(
    'limit_reached',
    `An installation may have ${MAX_CUSTOM_DIMENSIONS} dimensions of its own, of all tenants. Delete some first.`,
  );
}
