import { z } from 'zod';
import {
  type Definition,
  DefinitionError,
  type DefinitionKind,
  type KeyTrust,
  type KindDefinitions,
} from '../../runtime/index.ts';
import {
  isBuiltInRole,
  PERMISSIONS,
  type Permission,
  RESERVED_PERMISSIONS,
  ROLE_RULES,
} from '../http/index.ts';

/** Roles that a tenant may make. */
export const MAX_ROLES = 100;

const GRANTABLE = PERMISSIONS.filter((permission) => !RESERVED_PERMISSIONS.includes(permission));

const roleSchema = z.strictObject({
  summary: z.string().max(1_000).optional().describe('What it is for'),
  permissions: z
    .array(z.enum(GRANTABLE))
    .max(PERMISSIONS.length)
    .refine((all) => new Set(all).size === all.length, 'names one twice')
    .describe('What it allows; to manage keys and roles is for `admin` alone'),
});
export type RoleBody = z.output<typeof roleSchema>;

/** Roles of a tenant's own, signed as keys are. `isUsed` says whether a key that works has the role of a name. */
export function roleKind(
  trust: KeyTrust,
  isUsed: (tenant: string, role: string) => boolean,
): DefinitionKind<RoleBody> {
  const requireUnused = ({ tenant, name }: Pick<Definition<RoleBody>, 'tenant' | 'name'>): void => {
    if (!isUsed(tenant, name)) return;
    throw new DefinitionError(
      'definition_in_use',
      `A key has the role "${name}". Revoke the keys that have it first: GET /keys lists them.`,
    );
  };
  return {
    ...{ kind: 'role', trust },
    schema: roleSchema,
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,63}$/, 'has lower case letters, digits, _ and -, a letter first'),
    limit: MAX_ROLES,
    check: ({ tenant, id, name }, others) => {
      if (isBuiltInRole(name)) {
        const errors = [{ path: 'name', message: 'is that of a role of every tenant' }];
        throw new DefinitionError('name_taken', `Every tenant has the role "${name}".`, errors);
      }
      const former = id === undefined ? undefined : others.get(tenant, id);
      // Keys name their role: under another name they would have none.
      if (former !== undefined && former.name !== name) requireUnused(former);
    },
    checkDelete: requireUnused,
  };
}

/** What roles allow: those of every tenant, and those that a tenant made. */
export class Roles {
  readonly custom: KindDefinitions<RoleBody> | undefined;

  /** Without `custom` there are the built-in ones only. */
  constructor(custom?: KindDefinitions<RoleBody>) {
    this.custom = custom;
  }

  has(tenant: string, role: string): boolean {
    return isBuiltInRole(role) || this.custom?.byName(tenant, role) !== undefined;
  }

  /** Nothing for a role that is gone. */
  permissionsOf(tenant: string, role: string): readonly Permission[] {
    if (isBuiltInRole(role)) return ROLE_RULES[role].permissions;
    return this.custom?.byName(tenant, role)?.body.permissions ?? [];
  }
}
