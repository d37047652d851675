import { z } from 'zod';
import { asMillraceError } from '../../../engine/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import type { TenantFields } from '../../tenants/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';

const PRIORITY = {
  field_key: 'priority_level',
  field_label: 'Priority Level',
  field_type: 'select',
  options: ['low', 'normal', 'high', 'urgent'],
  is_required: false,
  is_filterable: true,
  sort_order: 1,
};

const DESCRIPTION =
  'Fields that the orders of the tenant have in `data.custom_fields`. As soon as there is one, `order.created` and ' +
  '`order.updated` are checked by them: an unknown field, a wrong value or a required one that is missing is ' +
  '`bad_custom_field`, over HTTP as the reason, over NATS in the dead letters. What was stored before the last change ' +
  'of a field is not checked again. A field that is `is_filterable` becomes a dimension `cf_<field_key>`, which is ' +
  'built from all events (`filter`), and filters the list of orders as `custom_fields[<field_key>]`.';

/** Definitions of custom fields, under the path of this API. */
export function fieldRoutes(fields: TenantFields, cursors: Cursors): readonly Route[] {
  const { definitions } = fields;
  const routes = definitionRoutes(definitions, cursors, {
    path: '/order-custom-fields',
    noun: 'order custom field',
    tag: 'Orders',
    description: DESCRIPTION,
    examples: { priority: { summary: 'One of four values', value: PRIORITY } },
    complete: (_tenant, given) => ({ ...given, name: given.field_key }),
    shown: {
      members: {
        filter: z
          .enum(['none', 'building', 'ready', 'failed'])
          .describe('Of its dimension: orders are filtered by it when it is `ready`'),
      },
      example: { filter: 'building' },
      of: (shown) =>
        shown.flatMap(({ tenant, id }) => {
          const own = definitions.get(tenant, id);
          return [{ filter: own === undefined ? 'none' : fields.stateOf(own) }];
        }),
    },
  });
  return routes.map((one) => ({ ...withDimension(fields, one), face: ORDERS }));
}

/** Fields and their dimensions come and go together. */
function withDimension(fields: TenantFields, own: Route): Route {
  const { definitions } = fields;
  if (own.method === 'GET') return own;
  return {
    ...own,
    serve: async (call) => {
      const id = call.path_params.id ?? '';
      const before = definitions.get(call.tenant, id);
      const answer = await own.serve(call);
      const made = own.method === 'POST' ? idOf(answer.json) : id;
      const now = definitions.get(call.tenant, made);
      if (now?.body.is_filterable === true) {
        try {
          await fields.makeDimension(now);
        } catch (error) {
          // Nobody shall take it for a filter that never comes.
          if (before === undefined) await definitions.delete(call.tenant, made);
          else await definitions.patch(call.tenant, made, { is_filterable: false });
          throw error;
        }
      } else if (before?.body.is_filterable === true) await dropUnused(fields, before);
      return answer;
    },
  };
}

/** A dimension that something else names stays. */
async function dropUnused(
  fields: TenantFields,
  field: Parameters<TenantFields['dropDimension']>[0],
): Promise<void> {
  try {
    await fields.dropDimension(field);
  } catch (thrown) {
    if (asMillraceError(thrown).code !== 'definition_in_use') throw thrown;
  }
}

const idOf = (json: unknown): string => String((Object(json) as { readonly id?: unknown }).id);
