import { z } from 'zod';
import {
  type AnomalyRecord,
  type AnomalyView,
  anomalyView,
  type MarkBody,
} from '../../../analytics/index.ts';
import type { Definition, KindDefinitions } from '../../../runtime/index.ts';
import { timestamp, timeText } from '../../http/index.ts';

const SEVERITIES = ['low', 'medium', 'high'] as const;

/** What every anomaly has, found by a scan or live. */
export const foundMembers = {
  id: z.string().describe('A function of tenant, rule, group and first window'),
  kind: z.enum(['metric', 'silence']).describe('`silence`: events are missing, and no metric is judged'),
  rule_id: z.string(),
  metric: z.string(),
  state: z.enum(['open', 'ended', 'retracted']).describe('`retracted`: by what came since, it was none'),
  start: timestamp('Start of its first window'),
  end: timestamp('End of its first window'),
  until: timestamp('End of the last window that is not normal'),
  group: z.record(z.string(), z.string().nullable()),
  currency: z.string().nullable(),
  direction: z.enum(['low', 'high']),
  value: z.number().describe('Of the first window; money in minor units'),
  expected: z.number(),
  lower: z.number().describe('Bounds of what would have been normal'),
  upper: z.number(),
  change_percent: z.number().nullable().describe('From what was expected; null where that is 0'),
  score: z.number().describe('−log10 of the share of normal windows that deviate as much'),
  severity: z.enum(SEVERITIES),
  text: z.string(),
};

export const anomalySchema = z.object({
  ...foundMembers,
  revision: z.int().describe('Grows when it is told anew'),
  late: z.boolean().describe('Found so late that nobody was told'),
  detected_at: timestamp('When it was found'),
  updated_at: timestamp('When it was said anew last'),
  status: z.enum(['open', 'acknowledged', 'resolved', 'false_alarm']).describe('What users say of it'),
  note: z.string().nullable(),
  status_at: z.string().nullable(),
});

export type ShownAnomaly = AnomalyView & {
  readonly status: MarkBody['status'] | 'open';
  readonly note: string | null;
  readonly status_at: string | null;
};

/** An anomaly with what users say of it. */
export function shownAnomaly(
  record: AnomalyRecord,
  marks: KindDefinitions<MarkBody>,
  tenant: string,
): ShownAnomaly {
  const mark: Definition<MarkBody> | undefined = marks.byName(tenant, record.id);
  return {
    ...anomalyView(record),
    status: mark?.body.status ?? 'open',
    note: mark?.body.note ?? null,
    status_at: mark === undefined ? null : timeText(mark.updated_at_ms),
  };
}

export const ANOMALY_EXAMPLE: ShownAnomaly = {
  id: 'anomaly_mmxkhj40_9f86d081884c7d659a2f',
  ...{
    kind: 'metric',
    rule_id: 'anomaly_rule_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
    metric: 'revenue',
    state: 'ended',
  },
  start: '2026-03-19T00:00:00Z',
  end: '2026-03-20T00:00:00Z',
  until: '2026-03-20T00:00:00Z',
  ...{ group: { country: 'GB' }, currency: 'GBP', direction: 'low' },
  ...{ value: 1_200_000, expected: 5_200_000, lower: 3_900_000, upper: 6_500_000, change_percent: -76.9 },
  ...{ score: 4.2, severity: 'high' },
  text:
    'Gross revenue (country GB) 77 % below its expected value on 2026-03-19 (expected 52,000.00 GBP, actual ' +
    '12,000.00 GBP)',
  ...{ revision: 1, late: false },
  detected_at: '2026-03-20T00:00:31Z',
  updated_at: '2026-03-20T00:00:31Z',
  ...{ status: 'acknowledged', note: 'The payment provider was away', status_at: '2026-03-20T08:12:00.000Z' },
};
