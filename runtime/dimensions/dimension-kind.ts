import { z } from 'zod';
import type { Candidate, DefinitionKind, KindDefinitions } from '../definitions/index.ts';
import { DefinitionError, invalidMember } from '../definitions/index.ts';
import { isDimensionName, MAX_CUSTOM_DIMENSIONS } from '../settings/index.ts';

/** Why a dimension is as it is: nothing but its name says what it reads. */
export interface DimensionBody {
  /** The member of an event that it is, in the event itself or in its `data`: it has the dimension's name. */
  readonly path?: string | undefined;
}

const schema: z.ZodType<DimensionBody> = z.strictObject({
  path: z
    .string()
    .max(80)
    .optional()
    .describe('`data.<name>` or `<name>`: the member that it reads, of the event, else of its `data`'),
});

export type Dimensions = KindDefinitions<DimensionBody>;

export interface DimensionKindOptions {
  /** Those that every tenant has. */
  readonly declared: () => readonly string[];
  /** What of the tenant names the dimension, as a text for the answer; undefined: nothing does. */
  readonly userOf: (tenant: string, name: string) => string | undefined;
}

/** Dimensions that a tenant defines while the service runs. */
export function dimensionKind({ declared, userOf }: DimensionKindOptions): DefinitionKind<DimensionBody> {
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
    limit: MAX_CUSTOM_DIMENSIONS,
    check: (candidate, others) => {
      const { tenant, id } = candidate;
      check(candidate, others, declared());
      const former = id === undefined ? undefined : others.get(tenant, id);
      if (former !== undefined && former.name !== candidate.name) requireUnused(tenant, former.name);
    },
    checkDelete: ({ tenant, name }) => requireUnused(tenant, name),
  };
}

function check(
  { id, name, body }: Candidate<DimensionBody>,
  others: Dimensions,
  declared: readonly string[],
): void {
  const { path = name } = body;
  if (path !== name && path !== `data.${name}`) {
    throw invalidMember('path', `has to be "data.${name}" or "${name}": a dimension has its member's name`);
  }
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
