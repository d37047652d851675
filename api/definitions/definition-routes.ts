import { z } from 'zod';
import { type Definition, DefinitionError, type KindDefinitions, nameSchema } from '../../runtime/index.ts';
import {
  type Cursors,
  type Example,
  type Face,
  listQuery,
  type Permission,
  type ProblemCode,
  type RawCall,
  type Route,
  route,
} from '../http/index.ts';
import {
  DEFINITION_MEMBERS,
  definitionAnswer,
  definitionView,
  pageOfKind,
  requireDefinition,
  revisionOf,
  type ShownMembers,
} from './definition-answer.ts';
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
