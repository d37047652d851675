import { z } from 'zod';
import {
  type ConnectorBody,
  type Connectors,
  type KindDefinitions,
  WEBHOOK_TYPE,
} from '../../../runtime/index.ts';
import {
  definitionAnswer,
  definitionRoutes,
  requireDefinition,
  type ShownMembers,
} from '../../definitions/index.ts';
import { ApiError, type Cursors, type Route, route } from '../../http/index.ts';
import { EXAMPLES, STATUS_EXAMPLE, statusSchema, statusView } from './connector-schemas.ts';

export interface ConnectorRouteParts {
  readonly connectors: Connectors;
  readonly definitions: KindDefinitions<ConnectorBody>;
  readonly cursors: Cursors;
}

const DESCRIPTION = `A connector takes records from a system outside and stores them as events. \`webhook\` is sent to,
at \`POST /connectors/{id}/events\`; the others pull. Each record becomes events by the mapping: a preset
(\`shopify\`, \`woocommerce\`, \`stripe\`, \`segment\`, \`cloudevents\`) or rules; one that cannot be read becomes a dead letter,
and the rest goes on. A position is kept after the stream has the events: records may come twice, events count once.
Secrets of the config are encrypted and never shown.`;

const TAG = 'Connectors';
const params = z.object({ id: z.string().max(128) });

/** Section 1: connectors. */
export function connectorRoutes(parts: ConnectorRouteParts): readonly Route[] {
  const { connectors, definitions, cursors } = parts;
  const shown: ShownMembers = {
    members: { config: z.record(z.string(), z.unknown()).describe('Secrets as `***`') },
    of: (found) => found.map(({ body }) => ({ config: connectors.secrets.shown(body as ConnectorBody) })),
    example: { config: { secret: '***' } },
  };
  return [
    ...definitionRoutes(definitions, cursors, {
      ...{ path: '/connectors', noun: 'connector', tag: TAG, description: DESCRIPTION, examples: EXAMPLES },
      permissions: { write: 'connectors:manage' },
      shown,
      ownGet: true,
    }),
    statusRoute(parts),
    runRoute(parts),
    enableRoute(parts, shown, 'pause'),
    enableRoute(parts, shown, 'resume'),
  ];
}

function statusRoute({ connectors, definitions }: ConnectorRouteParts): Route {
  return route({
    ...({ id: 'getConnectorStatus', method: 'GET', path: '/connectors/{id}/status', tag: TAG } as const),
    summary: 'Health, lag and position of a connector',
    permission: 'definitions:read',
    params,
    answers: {
      200: { description: 'How it is', schema: statusSchema, example: STATUS_EXAMPLE },
    },
    problems: ['not_found'],
    handle: (call) => {
      const connector = requireDefinition(definitions, call, call.params.id);
      return { status: 200, json: statusView(connector, connectors.state(connector)) };
    },
  });
}

function runRoute({ connectors, definitions }: ConnectorRouteParts): Route {
  return route({
    ...({ id: 'runConnector', method: 'POST', path: '/connectors/{id}/run', tag: TAG } as const),
    summary: 'Have a connector read now',
    description:
      'It looks at once for what is there, also when it had failed. With `resync` it reads all again from the ' +
      'beginning: what was stored already counts once.',
    permission: 'connectors:manage',
    params,
    body: z.strictObject({ resync: z.boolean().default(false).describe('From the beginning') }),
    body_examples: { now: { summary: 'What is new', value: {} } },
    answers: {
      202: { description: 'It is asked to', schema: statusSchema, example: STATUS_EXAMPLE },
    },
    problems: [
      ...['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'],
      ...[
        'unsupported_encoding',
        'body_too_large',
        'not_found',
        'not_supported',
        'wrong_state',
        'kv_unavailable',
      ],
    ] as const,
    handle: async (call) => {
      const connector = requireDefinition(definitions, call, call.params.id);
      if (connector.body.type === WEBHOOK_TYPE) {
        const message = 'A webhook is sent to and does not read. Ask the source to send again.';
        throw new ApiError('not_supported', message);
      }
      if (!connector.body.enabled)
        throw new ApiError('wrong_state', 'The connector is paused. Resume it first.');
      await connectors.run(connector, call.body.resync ? 'all' : 'now');
      return { status: 202, json: statusView(connector, connectors.state(connector)) };
    },
  });
}

function enableRoute(
  { definitions }: ConnectorRouteParts,
  shown: ShownMembers,
  verb: 'pause' | 'resume',
): Route {
  return route({
    ...({ id: `${verb}Connector`, method: 'POST', path: `/connectors/{id}/${verb}`, tag: TAG } as const),
    summary: verb === 'pause' ? 'Stop a connector for now' : 'Have a paused connector go on',
    description:
      verb === 'pause'
        ? 'The same as `enabled: false`. It keeps its position; what is sent to a paused webhook is refused with 409.'
        : 'The same as `enabled: true`. It goes on from its position.',
    permission: 'connectors:manage',
    params,
    answers: {
      200: {
        description: 'The connector as it is now',
        schema: z.looseObject({ id: z.string(), enabled: z.boolean() }),
      },
    },
    problems: ['not_found', 'revision_conflict', 'kv_unavailable'],
    handle: async (call) => {
      const { id } = requireDefinition(definitions, call, call.params.id);
      const changed = await definitions.patch(call.tenant, id, { enabled: verb === 'resume' });
      return definitionAnswer(200, changed, shown);
    },
  });
}
