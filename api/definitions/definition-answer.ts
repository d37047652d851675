import { z } from 'zod';
import { type Definition, DefinitionError, type KindDefinitions } from '../../runtime/index.ts';
import { type Answer, type Cursors, pageOf, type RawCall, timestamp, timeText } from '../http/index.ts';

/** What is known of a definition and not part of it. */
export interface ShownMembers {
  readonly members: z.ZodRawShape;
  /** In the order of the definitions. */
  readonly of: (definitions: readonly Definition<unknown>[]) => readonly Readonly<Record<string, unknown>>[];
  readonly example: Readonly<Record<string, unknown>>;
}

/** Members of every definition as the API shows it. */
export const DEFINITION_MEMBERS = {
  id: z.string().describe('`<kind>_<ULID>`'),
  name: z.string(),
  revision: z.int().describe('For `If-Match`; another one after each change'),
  created_at: timestamp('When it was made'),
  updated_at: timestamp('When it was changed last'),
  created_by: z.string().describe('The `key_id` of who made it'),
};

/** A definition as callers see it: the members of its body beside those of every definition. */
export function definitionView<T>(
  definition: Definition<T>,
  shown?: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { id, name, revision, created_at_ms, updated_at_ms, created_by, body } = definition;
  return {
    id,
    name,
    ...(body as Record<string, unknown>),
    ...shown,
    revision,
    created_at: timeText(created_at_ms),
    updated_at: timeText(updated_at_ms),
    created_by,
  };
}

/** The answer with one definition. */
export function definitionAnswer<T>(
  status: 200 | 201,
  definition: Definition<T>,
  shown?: ShownMembers,
): Answer {
  const [members] = shown?.of([definition]) ?? [];
  return {
    status,
    headers: { ETag: etagOf(definition.revision) },
    json: definitionView(definition, members),
  };
}

const etagOf = (revision: number): string => `"${revision}"`;

/** The revision that `If-Match` asks for; undefined without one, or for `*`. */
export function revisionOf(request: Request): number | undefined {
  const header = request.headers.get('if-match')?.trim();
  if (header === undefined || header === '*') return undefined;
  const revision = /^(?:W\/)?"?(\d{1,15})"?$/.exec(header)?.[1];
  if (revision !== undefined) return Number(revision);
  const message = 'must be the revision in quotes, such as "12"';
  throw new DefinitionError('validation_failed', `If-Match ${message}.`, [{ path: 'If-Match', message }]);
}

/** A page of a tenant's definitions of a kind, of those that are wanted. */
export function definitionPage<T>(
  definitions: KindDefinitions<T>,
  cursors: Cursors,
  tenant: string,
  query: Parameters<typeof pageOf>[4],
  isWanted: (definition: Definition<T>) => boolean = () => true,
): { readonly items: readonly Definition<T>[]; readonly next_cursor: string | null } {
  return pageOfKind(definitions.kind.kind, cursors, tenant, definitions.list(tenant).filter(isWanted), query);
}

/** A page of definitions of a kind. */
export function pageOfKind<T>(
  kind: string,
  cursors: Cursors,
  tenant: string,
  entries: readonly Definition<T>[],
  query: Parameters<typeof pageOf>[4],
): { readonly items: readonly Definition<T>[]; readonly next_cursor: string | null } {
  const filter = { list: `definitions.${kind}`, tenant };
  const sortKey = ({ created_at_ms, id }: Definition<T>): readonly [number, string] => [created_at_ms, id];
  return pageOf(cursors, entries, sortKey, filter, query);
}

/** The tenant's definition of an id. Throws 404. */
export function requireDefinition<T>(
  definitions: KindDefinitions<T>,
  { tenant }: Pick<RawCall, 'tenant'>,
  id: string,
): Definition<T> {
  const definition = definitions.get(tenant, id);
  if (definition !== undefined) return definition;
  throw new DefinitionError('not_found', 'There is no definition with this id.');
}
