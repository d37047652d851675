import { z } from 'zod';
import {
  exactJsonText,
  isObject,
  MAX_NESTING,
  own,
  parseExact,
  recordConditionSchema,
} from '../../../analytics/index.ts';
import {
  type ConnectorBody,
  connectorMapping,
  type EventDoor,
  type KindDefinitions,
  recordMapper,
} from '../../../runtime/index.ts';
import { ApiError, invalid, type RawCall } from '../../http/index.ts';

const MAX_SAMPLES = 100;

/** A sample as it is asked for: what a mapping makes of records. */
export const sampleRequest = z.strictObject({
  connector_id: z.string().max(128).optional().describe('Whose mapping and filters; or say them'),
  mapping: connectorMapping.optional(),
  filters: recordConditionSchema.optional(),
  records: z
    .array(
      z.strictObject({
        body: z.unknown().describe('As the source sends it'),
        headers: z.record(z.string(), z.string()).default({}).describe('That the mapping reads'),
      }),
    )
    .min(1)
    .max(MAX_SAMPLES),
});

const eventSample = z.object({
  event: z.looseObject({}).describe('As it would be stored'),
  valid: z.boolean(),
  code: z.string().optional(),
  message: z.string().optional(),
});

export const sampleAnswer = z.object({
  valid: z.boolean().describe('No record would become a dead letter'),
  records: z.array(
    z.object({
      index: z.int(),
      dropped: z.string().optional().describe('Why it gives nothing on purpose'),
      code: z.string().optional().describe('Why it would become a dead letter'),
      message: z.string().optional(),
      events: z.array(eventSample),
    }),
  ),
});

export interface SampleParts {
  readonly definitions: KindDefinitions<ConnectorBody>;
  readonly door: EventDoor;
}

/** What a mapping makes of the records of a body; undefined for a body that holds events and asks for no such thing. */
export async function sampleOf(
  { definitions, door }: SampleParts,
  { tenant }: Pick<RawCall, 'tenant'>,
  bytes: Uint8Array,
): Promise<z.output<typeof sampleAnswer> | undefined> {
  const parsed = parseExact(bytes, MAX_NESTING + 3);
  if (!parsed.ok || !isObject(parsed.value) || !Array.isArray(own(parsed.value, 'records'))) return undefined;
  const checked = sampleRequest.safeParse(parsed.value);
  if (!checked.success) throw invalid(checked.error, 'The body');
  const { connector_id, mapping, filters, records } = checked.data;
  const rules =
    connector_id === undefined ? { mapping, filters } : definitions.get(tenant, connector_id)?.body;
  if (rules === undefined) throw new ApiError('not_found', 'There is no connector with this id.');
  const map = recordMapper(rules, connector_id ?? 'connector');
  const samples: z.output<typeof sampleAnswer>['records'] = [];
  for (const [index, { body, headers }] of records.entries()) {
    const names = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const value = Buffer.from(exactJsonText(body));
    const outcome = map({ value, place: `sample/${index}`, headers: Object.fromEntries(names) });
    if (!outcome.ok) {
      samples.push({ index, code: outcome.code, message: outcome.detail, events: [] });
      continue;
    }
    const checks = await door.check(tenant, outcome.events);
    const events = outcome.events.map((event, at) => {
      const check = checks[at];
      const shown = { event: JSON.parse(Buffer.from(event).toString()) as Record<string, unknown> };
      if (check === undefined || check.ok) return { ...shown, valid: true };
      return { ...shown, valid: false, code: check.code, message: check.detail };
    });
    samples.push({ index, ...(outcome.dropped === undefined ? {} : { dropped: outcome.dropped }), events });
  }
  const valid = samples.every(({ code, events }) => code === undefined && events.every((one) => one.valid));
  return { valid, records: samples };
}
