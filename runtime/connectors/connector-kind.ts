import { z } from 'zod';
import { type Mapping, mappingSchema, PRESETS, recordConditionSchema } from '../../analytics/index.ts';
import type { ConnectorType, IntakeSurroundings } from '../../connectors/index.ts';
import { type DefinitionKind, invalidMember } from '../definitions/index.ts';
import type { ConnectorSecrets } from './connector-secrets.ts';
import { HIDDEN, valueAt } from './connector-secrets.ts';
import { WEBHOOK_TYPE, webhookConfigSchema } from './webhook-type.ts';

/** Connectors that one tenant may have. */
const MAX_CONNECTORS = 100;

const presetNames = [...PRESETS.keys()] as [string, ...string[]];

const mappingChoice = z.union(
  [
    z.strictObject({
      preset: z.enum(presetNames).describe('A source whose payloads and signatures are known'),
      include_test: z.boolean().optional().describe('Orders that the source says are tests count too'),
    }),
    mappingSchema,
  ],
  { error: `must have \`rules\`, or a \`preset\` of ${presetNames.join(', ')}` },
);
export type MappingChoice = z.output<typeof mappingChoice>;

export const connectorMapping = mappingChoice.describe(
  'How a record becomes events: a preset, or rules of your own. Without it a record is an event as it is, flat or a ' +
    'CloudEvent',
);

export interface ConnectorBody {
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly mapping?: MappingChoice | undefined;
  readonly filters?: z.output<typeof recordConditionSchema> | undefined;
  readonly enabled: boolean;
}

/** What a type says of itself, for those who list the types. */
type KnownType = Pick<ConnectorType, 'type' | 'configSchema' | 'secrets' | 'unavailable'>;

export interface ConnectorKindParts {
  readonly types: readonly KnownType[];
  readonly secrets: ConnectorSecrets;
  readonly surroundings: IntakeSurroundings;
}

function bodySchema(types: readonly KnownType[]) {
  const names = types.map(({ type }) => type) as [string, ...string[]];
  return z
    .strictObject({
      type: z.enum(names).describe('It does not change'),
      config: z
        .record(z.string().max(64), z.unknown())
        .default({})
        .describe('Of the type; secrets in it are stored encrypted and not shown again'),
      mapping: connectorMapping.optional(),
      filters: recordConditionSchema
        .optional()
        .describe('Events that are taken, by their members: all conditions have to hold'),
      enabled: z.boolean().default(true).describe('false: it is paused'),
    })
    .superRefine(({ type, config }, context) => {
      const parsed = types.find((one) => one.type === type)?.configSchema.safeParse(config);
      // What is shown of a secret is in answers; that nobody sends it is looked at below.
      for (const { path, message } of parsed?.error?.issues ?? [])
        if (valueAt(config, path.map(String)) !== HIDDEN)
          context.addIssue({ code: 'custom', path: ['config', ...path], message });
    });
}

/** Connectors: where records come from, and what becomes of them. */
export function connectorKind(parts: ConnectorKindParts): DefinitionKind<ConnectorBody> {
  const { secrets, surroundings } = parts;
  const types = [WEBHOOK, ...parts.types];
  return {
    kind: 'connector',
    schema: bodySchema(types),
    limit: MAX_CONNECTORS,
    sealed: (tenant, body) => secrets.sealed(tenant, body),
    check: ({ tenant, id, body }, others) => {
      const before = id === undefined ? undefined : others.get(tenant, id);
      if (before !== undefined && before.body.type !== body.type)
        throw invalidMember('type', 'does not change: make another connector');
      const lack = types.find(({ type }) => type === body.type)?.unavailable?.(surroundings);
      if (lack !== undefined && before === undefined) throw invalidMember('type', lack);
      const hidden = secrets.pathsOf(body).find(([, text]) => text === HIDDEN)?.[0];
      if (hidden !== undefined)
        throw invalidMember(`config.${hidden}`, 'is what is shown of a secret: leave it out to keep it');
      requireSecret(body);
    },
  };
}

/** A signature that the preset makes only says something with its secret. */
function requireSecret({ type, config }: ConnectorBody): void {
  if (type !== WEBHOOK_TYPE || config.signature === undefined || config.secret !== undefined) return;
  throw invalidMember('config.secret', 'goes with `signature`');
}

const WEBHOOK: KnownType = { type: WEBHOOK_TYPE, configSchema: webhookConfigSchema, secrets: ['secret'] };

/** Rules for what has no mapping: a record is an event. */
const AS_IT_IS: Mapping = { rules: [{ flat: true }] };

/** The rules of a choice. */
export function rulesOf(choice: MappingChoice | undefined): Mapping {
  if (choice === undefined) return AS_IT_IS;
  if (!('preset' in choice)) return choice;
  const mapping = PRESETS.get(choice.preset)?.mapping ?? AS_IT_IS;
  if (choice.include_test !== true) return mapping;
  return { ...mapping, rules: mapping.rules.filter(({ drop }) => drop !== 'test') };
}
