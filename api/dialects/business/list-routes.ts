import { z } from 'zod';
import { type Route, route } from '../../http/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { BUSINESS } from './face.ts';

const SEVERITIES = ['low', 'medium', 'high'] as const;
const MAX_LISTED = 1_000;

const foundSchema = z.looseObject({
  anomalies: z.array(
    z.looseObject({
      ...{ metric: z.string(), severity: z.enum(SEVERITIES), detected_at: z.string(), text: z.string() },
      ...{ expected: z.number(), value: z.number(), currency: z.string().nullable(), state: z.string() },
    }),
  ),
  next_cursor: z.string().nullable(),
});

/** Anomalies that the live rules found, the newest first. */
export function anomaliesRoute(inquiries: Inquiries): Route {
  return route({
    id: 'businessAnomalies',
    method: 'GET',
    path: '/anomalies',
    tag: 'Business',
    face: BUSINESS,
    summary: 'Metrics that left their usual range',
    description: 'Of the rules below `/v1/order-analytics/anomalies/rules`. `severity` is the least one.',
    permission: 'kpis:read',
    query: z.strictObject({
      severity: z.enum(SEVERITIES).optional().describe('At least so severe'),
      metric: z.string().min(1).max(64).optional(),
    }),
    answers: {
      200: {
        description: 'The newest 1,000 that fit',
        schema: z.object({
          anomalies: z.array(
            z.object({
              ...{ metric: z.string(), severity: z.enum(SEVERITIES), detectedAt: z.string() },
              ...{ expected: z.number(), actual: z.number(), currency: z.string().nullable() },
              deviation: z.number().nullable().describe('(actual − expected) ÷ |expected|'),
              description: z.string(),
            }),
          ),
        }),
      },
    },
    problems: ['state_not_ready'],
    handle: async (call) => {
      const { severity, metric } = call.query;
      const least = severity === undefined ? 0 : SEVERITIES.indexOf(severity);
      // Each severity is a list of its own there.
      const { answer: lists } = await inquiries.answered((asking) =>
        Promise.all(
          SEVERITIES.slice(least).map((one) => {
            const named = metric === undefined ? {} : { metric };
            const query = { severity: one, limit: String(MAX_LISTED), ...named };
            return asking.get(call, '/anomalies', { query }, foundSchema);
          }),
        ),
      );
      const anomalies = lists
        .flatMap((list) => list.anomalies)
        .filter(({ state }) => state !== 'retracted')
        .sort((a, b) => (a.detected_at < b.detected_at ? 1 : -1))
        .slice(0, MAX_LISTED)
        .map(({ metric: name, severity: how, detected_at, expected, value, currency, text }) => ({
          ...{ metric: name, severity: how, detectedAt: detected_at, expected, actual: value },
          currency: currency?.toLowerCase() ?? null,
          deviation: expected === 0 ? null : (value - expected) / Math.abs(expected),
          description: text,
        }));
      return { status: 200, json: { anomalies } };
    },
  });
}

const dashboardsSchema = z.looseObject({
  dashboards: z.array(z.looseObject({ id: z.string(), name: z.string() })),
});

/** The dashboards of the first API. */
export function dashboardsRoute(inquiries: Inquiries): Route {
  return route({
    id: 'businessDashboards',
    method: 'GET',
    path: '/dashboards',
    tag: 'Business',
    face: BUSINESS,
    summary: 'Saved dashboards',
    permission: 'definitions:read',
    query: z.strictObject({}),
    answers: {
      200: {
        description: 'The first 1,000',
        schema: z.object({ dashboards: z.array(z.looseObject({ id: z.string(), name: z.string() })) }),
      },
    },
    problems: [],
    handle: async (call) => {
      const query = { limit: String(MAX_LISTED) };
      const { answer } = await inquiries.answered((asking) =>
        asking.get(call, '/dashboards', { query }, dashboardsSchema),
      );
      return { status: 200, json: { dashboards: answer.dashboards } };
    },
  });
}
