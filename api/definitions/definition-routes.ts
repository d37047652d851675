import { z } from 'zod';
import { type Definition, DefinitionError, type KindDefinitions, nameSchema } from '../../runtime/index.ts';
import {
  type Answer,
  type Cursors,
  type Example,
  type Face,
  listQuery,
  type Permission,
  type ProblemCode,
  pageOf,
  type RawCall,
  type Route,
  route,
  timestamp,
  timeText,
} from '../http/index.ts';
import { withMembers } from './with-members.ts';

/** How a kind of definition is served. */
export interface DefinitionRoutesSpec {
  /** Below the base: `/funnels`. */
  readonly path: string;
  /** What one is, for ids and sentences: `funnel`; lower case, blanks between words. */
  readonly noun: string;
  /** Member of the list's answer; default: the noun with an s. */
  readonly collection?: string;
  readonly tag: string;
  /** The API that they are of; default: the first one. */
  readonly face?: Face;
  /** What the kind is for and what may be said of it, Markdown. */
  readonly description: string;
  /** Bodies of a `POST`, by name: `name` beside the members of the kind's schema. The first one is shown as an answer. */
  readonly examples: Readonly<Record<string, Example>>;
  /** Other paths of the `POST`: `/funnels/define`. */
  readonly aliases?: readonly ('define' | 'register')[];
  /** A further path of the `POST`, whole: `/anomalies/register`. */
  readonly also?: string;
  /** Fills in what a `POST` leaves out and the schema cannot know: of the tenant, of the clock. */
  readonly complete?: (tenant: string, given: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** Beyond those of every definition, of a `POST` and a `PATCH`. */
  readonly problems?: readonly ProblemCode[];
  /** Default: `definitions:read` and `definitions:write`. */
  readonly permissions?: { readonly read?: Permission; readonly write?: Permission };
  /** Members that are shown beside those of the body, e.g. how far it is built. */
  readonly shown?: ShownMembers;
  /** Whether a caller may know of it; default: everybody of the tenant. */
  readonly visible?: (call: Pick<RawCall, 'principal'>, definition: Definition<unknown>) => boolean;
  /** The kind has a route of its own for reading one. */
  readonly ownGet?: boolean;
  /** What every tenant has without having made it: listed first, never changed. */
  readonly builtIn?: (tenant: string) => readonly Definition<unknown>[];
}

/** What is known of a definition and not part of it. */
export interface ShownMembers {
  readonly members: z.ZodRawShape;
  /** In the order of the definitions. */
  readonly of: (definitions: readonly Definition<unknown>[]) => readonly Readonly<Record<string, unknown>>[];
  readonly example: Readonly<Record<string, unknown>>;
}

const BODY_PROBLEMS = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
] as const satisfies readonly ProblemCode[];

/** Of bodies that may name dimensions. */
const DIMENSION_PROBLEMS = [
  'unknown_dimension',
  'dimension_backfilling',
  'dimension_failed',
] as const satisfies readonly ProblemCode[];

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

/**
 * All routes of a kind of definition: POST (and its aliases) 201 with Location, GET one, GET list, PATCH
 * (JSON merge patch, `If-Match`), DELETE 204. Of the caller's tenant only.
 */
export function definitionRoutes<T>(
  definitions: KindDefinitions<T>,
  cursors: Cursors,
  spec: DefinitionRoutesSpec,
): readonly Route[] {
  const { aliases = [] } = spec;
  return [
    createRoute(definitions, spec, undefined),
    ...aliases.map((alias) => createRoute(definitions, spec, alias)),
    ...(spec.also === undefined ? [] : [createRoute(definitions, spec, 'register', spec.also)]),
    listRoute(definitions, cursors, spec),
    ...(spec.ownGet === true ? [] : [getRoute(definitions, spec)]),
    patchRoute(definitions, spec),
    deleteRoute(definitions, spec),
  ];
}

const collectionOf = ({ collection, noun }: DefinitionRoutesSpec): string =>
  collection ?? `${noun.replaceAll(' ', '_')}s`;

const one = (noun: string): string => `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
const many = ({ noun, collection = `${noun}s` }: DefinitionRoutesSpec): string =>
  noun.includes(' ') ? `${noun}s` : collection;

/** `createFunnel`, `listFunnels`: the noun as part of an operation's id. */
function idOf(verb: string, { noun }: DefinitionRoutesSpec, ending = ''): string {
  const words = noun.split(' ').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${verb}${words.join('')}${ending}`;
}

const schemaOf = <T>({ kind }: KindDefinitions<T>, { shown }: DefinitionRoutesSpec): z.ZodType =>
  withMembers(kind.schema, { ...DEFINITION_MEMBERS, ...shown?.members });

function exampleOf<T>({ kind }: KindDefinitions<T>, { examples, shown }: DefinitionRoutesSpec): object {
  const [first] = Object.values(examples);
  const { name, ...body } = (first?.value ?? {}) as Record<string, unknown>;
  return {
    id: `${kind.kind}_01J4ZQ8W6N3V5T7R9P1M3K5H7F`,
    name,
    ...body,
    ...shown?.example,
    revision: 12,
    created_at: '2025-08-01T12:00:00.000Z',
    updated_at: '2025-08-01T12:00:00.000Z',
    created_by: '9f2c4be07a51d3e8',
  };
}

const faceOf = ({ face }: DefinitionRoutesSpec): { readonly face?: Face } =>
  face === undefined ? {} : { face };

const readerOf = ({ permissions }: DefinitionRoutesSpec): Permission =>
  permissions?.read ?? 'definitions:read';
const writerOf = ({ permissions }: DefinitionRoutesSpec): Permission =>
  permissions?.write ?? 'definitions:write';

const ETAG = { ETag: 'Its revision, in quotes' };
const params = z.object({ id: z.string().max(128) });

function createRoute<T>(
  definitions: KindDefinitions<T>,
  spec: DefinitionRoutesSpec,
  alias: 'define' | 'register' | undefined,
  path = alias === undefined ? spec.path : `${spec.path}/${alias}`,
): Route {
  const { kind } = definitions;
  return route({
    id: idOf(alias ?? 'create', spec),
    method: 'POST',
    path,
    ...{ tag: spec.tag, ...faceOf(spec) },
    summary:
      alias === undefined
        ? `Define ${one(spec.noun)}`
        : `Define ${one(spec.noun)}: the same as POST ${spec.path}`,
    description: spec.description,
    permission: writerOf(spec),
    // The kind checks it, as it does for a patch.
    body: z.looseObject({}),
    documented_body: withMembers(kind.schema, {
      name: spec.complete === undefined ? (kind.name ?? nameSchema) : nameSchema.optional(),
    }),
    body_examples: spec.examples,
    answers: {
      201: {
        description: `The ${spec.noun}`,
        schema: schemaOf(definitions, spec),
        example: exampleOf(definitions, spec),
        headers: { Location: `The ${spec.noun}`, ...ETAG },
      },
    },
    problems: [
      ...[...BODY_PROBLEMS, ...DIMENSION_PROBLEMS, ...(spec.problems ?? [])],
      ...(['name_taken', 'limit_reached', 'kv_unavailable'] as const),
    ],
    handle: async ({ tenant, principal, base, body: given }) => {
      const { name, ...body } = spec.complete?.(tenant, given) ?? given;
      const made = await definitions.create(tenant, { name, body, created_by: principal.key_id });
      const answer = definitionAnswer(201, made, spec.shown);
      return { ...answer, headers: { ...answer.headers, Location: `${base}${spec.path}/${made.id}` } };
    },
  });
}

function listRoute<T>(definitions: KindDefinitions<T>, cursors: Cursors, spec: DefinitionRoutesSpec): Route {
  const collection = collectionOf(spec);
  return route({
    id: idOf('list', spec, 's'),
    method: 'GET',
    path: spec.path,
    ...{ tag: spec.tag, ...faceOf(spec) },
    summary: `List the ${many(spec)} of the tenant, oldest first`,
    permission: readerOf(spec),
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: `A page of ${many(spec)}`,
        schema: z.object({
          [collection]: z.array(schemaOf(definitions, spec)),
          next_cursor: z.string().nullable(),
        }),
        example: { [collection]: [exampleOf(definitions, spec)], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query, principal }) => {
      const shownTo = (one: Definition<unknown>): boolean => spec.visible?.({ principal }, one) ?? true;
      const entries = [...(spec.builtIn?.(tenant) ?? []), ...definitions.list(tenant).filter(shownTo)];
      const { items, next_cursor } = pageOfKind(definitions.kind.kind, cursors, tenant, entries, query);
      const members = spec.shown?.of(items) ?? [];
      const views = items.map((item, at) => definitionView(item, members[at]));
      return { status: 200, json: { [collection]: views, next_cursor } };
    },
  });
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

function pageOfKind<T>(
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

/** The definition, where the caller may know of it. Throws 404. */
function requireVisible<T>(
  definitions: KindDefinitions<T>,
  call: Pick<RawCall, 'tenant' | 'principal'>,
  id: string,
  { visible }: DefinitionRoutesSpec,
): Definition<T> {
  const definition = requireDefinition(definitions, call, id);
  if (visible?.(call, definition) ?? true) return definition;
  throw new DefinitionError('not_found', 'There is no definition with this id.');
}

function getRoute<T>(definitions: KindDefinitions<T>, spec: DefinitionRoutesSpec): Route {
  return route({
    id: idOf('get', spec),
    method: 'GET',
    path: `${spec.path}/{id}`,
    ...{ tag: spec.tag, ...faceOf(spec) },
    summary: `One ${spec.noun}`,
    permission: readerOf(spec),
    params,
    answers: {
      200: {
        description: `The ${spec.noun}`,
        schema: schemaOf(definitions, spec),
        example: exampleOf(definitions, spec),
        headers: ETAG,
      },
    },
    problems: ['not_found'],
    handle: (call) =>
      definitionAnswer(200, requireVisible(definitions, call, call.params.id, spec), spec.shown),
  });
}

function patchRoute<T>(definitions: KindDefinitions<T>, spec: DefinitionRoutesSpec): Route {
  return route({
    id: idOf('update', spec),
    method: 'PATCH',
    path: `${spec.path}/{id}`,
    ...{ tag: spec.tag, ...faceOf(spec) },
    summary: `Change ${one(spec.noun)}`,
    description:
      'A JSON merge patch (RFC 7396) of `name` and the members of the body: null removes a member. With ' +
      '`If-Match: "<revision>"` it is refused when somebody else changed it meanwhile.',
    permission: writerOf(spec),
    params,
    conditional: true,
    body_types: ['application/merge-patch+json', 'application/json'],
    body: z.looseObject({}),
    body_examples: { rename: { summary: 'Another name', value: { name: 'another_name' } } },
    answers: {
      200: {
        description: `The ${spec.noun} as it is now`,
        schema: schemaOf(definitions, spec),
        example: exampleOf(definitions, spec),
        headers: ETAG,
      },
    },
    problems: [
      ...[...BODY_PROBLEMS, ...DIMENSION_PROBLEMS, ...(spec.problems ?? []), 'not_found', 'name_taken'],
      ...['revision_conflict', 'definition_in_use', 'kv_unavailable'],
    ] as const satisfies readonly ProblemCode[],
    handle: async (call) => {
      const {
        tenant,
        params: { id },
        body,
        request,
      } = call;
      if (spec.visible !== undefined) requireVisible(definitions, call, id, spec);
      return definitionAnswer(
        200,
        await definitions.patch(tenant, id, body, revisionOf(request)),
        spec.shown,
      );
    },
  });
}

function deleteRoute<T>(definitions: KindDefinitions<T>, spec: DefinitionRoutesSpec): Route {
  return route({
    id: idOf('delete', spec),
    method: 'DELETE',
    path: `${spec.path}/{id}`,
    ...{ tag: spec.tag, ...faceOf(spec) },
    summary: `Delete ${one(spec.noun)}`,
    permission: writerOf(spec),
    params,
    conditional: true,
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'revision_conflict', 'definition_in_use', 'kv_unavailable'],
    handle: async (call) => {
      const {
        tenant,
        params: { id },
        request,
      } = call;
      if (spec.visible !== undefined) requireVisible(definitions, call, id, spec);
      await definitions.delete(tenant, id, revisionOf(request));
      return { status: 204 };
    },
  });
}
