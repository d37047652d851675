import { z } from 'zod';
import { asMillraceError } from '../../../engine/index.ts';
import { definitionPage, revisionOf } from '../../definitions/index.ts';
import { ApiError, listQuery, type Route, route } from '../../http/index.ts';
import { groupSchema } from './model-schema.ts';
import { type ModelRouteParts, modelParams, modelSchema, statusOf, viewOf } from './model-view.ts';
import { predictRoute, requireSeen } from './predict-route.ts';
import { trainRoute } from './train-route.ts';

const driftSchema = z
  .object({
    compared: z.int().describe('Steps and groups that came since the training'),
    mase: z.number().nullable().describe('Of what came; null: nothing did yet'),
    mase_back_test: z.number().nullable(),
    in_95: z.number().nullable().describe('Share of what came that lies in the 95 % interval'),
    is_drifting: z.boolean().describe('Five steps or more, and errors of 1.5 times those of the back-test'),
  })
  .nullable()
  .describe('Of forecasts');

const wholeSchema = modelSchema.extend({
  groups: z.array(groupSchema).describe('Of a forecast'),
  totals: z.array(groupSchema).describe('Of a forecast of groups: all of them together, for each currency'),
  test: z
    .looseObject({})
    .nullable()
    .describe('Of a model of customers: how it did on the last days of its history'),
  drift: driftSchema,
});

/** Section 12: models. */
export function modelRoutes(parts: ModelRouteParts): readonly Route[] {
  return [
    ...[trainRoute(parts), listRoute(parts), getRoute(parts), predictRoute(parts)],
    ...[promoteRoute(parts), deleteRoute(parts)],
  ];
}

function listRoute(parts: ModelRouteParts): Route {
  const { versions, cursors } = parts;
  return route({
    id: 'listModels',
    method: 'GET',
    path: '/models',
    tag: 'Models',
    summary: 'List the models of the tenant with their versions, oldest first',
    permission: 'definitions:read',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of models',
        schema: z.object({ models: z.array(modelSchema), next_cursor: z.string().nullable() }),
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: async ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(versions.definitions, cursors, tenant, query);
      const views = await Promise.all(items.map((model) => viewOf(parts, model)));
      return { status: 200, json: { models: views, next_cursor } };
    },
  });
}

function getRoute(parts: ModelRouteParts): Route {
  return route({
    id: 'getModel',
    method: 'GET',
    path: '/models/{modelId}',
    tag: 'Models',
    summary: 'One model: what it was trained on, how good it was in the back-test, and how good it is since',
    permission: 'definitions:read',
    params: modelParams,
    answers: { 200: { description: 'The model', schema: wholeSchema } },
    problems: ['not_found', 'field_masked', 'objects_unavailable', 'object_damaged'],
    handle: async (call) => {
      const model = parts.versions.find(call.tenant, call.params.modelId);
      requireSeen(parts, call, model);
      const { trained } = model.body;
      let outdated: string | undefined;
      const content = await (trained === null ? undefined : parts.contents.get(trained))?.catch(
        (error: unknown) => {
          // What it was trained on has to be known to train it again.
          if (!(error instanceof ApiError) || error.code !== 'model_outdated') throw error;
          outdated = error.message;
          return undefined;
        },
      );
      const forecast = content?.kind === 'forecast' ? content : { groups: [], totals: [] };
      const [groups, totals] = [forecast.groups, forecast.totals].map((all) =>
        all.map(({ points: _, ...group }) => group),
      );
      const test = content?.kind === 'customers' ? content.test : null;
      // A model is shown while its data cannot be asked.
      const drift = await parts.drifts.of(model).catch((error: unknown) => {
        call.log.debug({ model: model.id, code: asMillraceError(error).code }, 'no drift of the model');
        return null;
      });
      const view = await viewOf(parts, model);
      const warnings = [...(outdated === undefined ? [] : [outdated]), ...view.warnings];
      return { status: 200, json: { ...view, warnings, groups, totals, test, drift } };
    },
  });
}

function promoteRoute(parts: ModelRouteParts): Route {
  return route({
    id: 'promoteModel',
    method: 'POST',
    path: '/models/{modelId}/promote',
    tag: 'Models',
    summary: 'Have a version answer for its name',
    description:
      'The first version that is trained is promoted by itself. An older one may be promoted again.',
    permission: 'definitions:write',
    params: modelParams,
    answers: { 200: { description: 'The model', schema: modelSchema } },
    problems: ['not_found', 'wrong_state', 'kv_unavailable'],
    handle: async ({ tenant, params: { modelId } }) => {
      const model = parts.versions.definitions.get(tenant, modelId);
      if (model === undefined) throw new ApiError('not_found', 'There is no model with this id.');
      if (model.body.trained === null) {
        const status = await statusOf(parts.jobs, model);
        throw new ApiError('wrong_state', `The model is not ready: its training is "${status}".`);
      }
      await parts.versions.promote(model);
      return { status: 200, json: await viewOf(parts, model) };
    },
  });
}

function deleteRoute({ versions }: ModelRouteParts): Route {
  return route({
    id: 'deleteModel',
    method: 'DELETE',
    path: '/models/{modelId}',
    tag: 'Models',
    summary: 'Delete a version of a model',
    permission: 'definitions:write',
    params: modelParams,
    conditional: true,
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'wrong_state', 'revision_conflict', 'kv_unavailable', 'objects_unavailable'],
    handle: async ({ tenant, params: { modelId }, request }) => {
      const model = versions.definitions.get(tenant, modelId);
      if (model === undefined) throw new ApiError('not_found', 'There is no model with this id.');
      await versions.delete(model, revisionOf(request));
      return { status: 204 };
    },
  });
}
