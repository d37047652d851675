import { z } from 'zod';
import { formatUtc } from '../../../analytics/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type Route, route } from '../../http/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { VOUCHERS } from './face.ts';
import { spanOf } from './span.ts';
import { ASKED_PROBLEMS } from './voucher-routes.ts';

/** Of the first API, by what this one calls them. */
const METRICS = {
  uses: 'orders_count',
  discount: 'discount_total',
  orders: 'orders_count',
  revenue: 'revenue_net',
} as const;
const MAX_VOUCHERS = 1_000;
/** What an export of days and vouchers takes at most, seconds, as long as the lane is free. */
const ESTIMATE_MS = 60_000;
const STATUSES = {
  ...{ queued: 'processing', running: 'processing', paused: 'processing' },
  ...{ succeeded: 'completed', failed: 'failed', cancelled: 'failed' },
} as const;

const bodySchema = z.strictObject({
  voucher_ids: z.array(z.string().min(1).max(128)).min(1).max(MAX_VOUCHERS).describe('Codes of vouchers'),
  metrics: z
    .array(z.enum(Object.keys(METRICS) as [keyof typeof METRICS, ...(keyof typeof METRICS)[]]))
    .min(1)
    .describe('`uses` and `orders` are both orders with the voucher: one column `orders_count`'),
  format: z.enum(['csv', 'xlsx', 'ndjson', 'parquet']).default('csv'),
  time_period: z.strictObject({ start: z.string().max(64), end: z.string().max(64) }),
});

const EXAMPLE = {
  voucher_ids: ['WELCOME10'],
  ...{ metrics: ['uses', 'discount', 'orders'], format: 'csv' },
  time_period: { start: '2025-08-01T00:00:00Z', end: '2025-08-20T23:59:59Z' },
};

const jobSchema = z.looseObject({
  job_id: z.string(),
  status: z.enum(Object.keys(STATUSES) as [keyof typeof STATUSES, ...(keyof typeof STATUSES)[]]),
  error: z.looseObject({ code: z.string(), message: z.string().optional() }).nullable().optional(),
  download_url: z.string().nullable().optional(),
  file: z.looseObject({ expires_at: z.string() }).nullable().optional(),
});

/** Files of vouchers: exports of the first API. */
export function voucherExportRoutes(inquiries: Inquiries): readonly Route[] {
  return [
    route({
      id: 'exportVouchers',
      method: 'POST',
      path: '/export',
      tag: 'Vouchers',
      face: VOUCHERS,
      summary: 'Makes a file of vouchers by day',
      description: 'An export of the first API: it is also below `/v1/order-analytics/exports` and `/jobs`.',
      permission: 'exports:create',
      body: bodySchema,
      body_examples: { csv: { summary: 'A voucher as CSV', value: EXAMPLE } },
      answers: {
        202: {
          description: 'It is being made',
          schema: z.object({ export_id: z.string(), status: z.string(), estimated_completion: z.string() }),
        },
      },
      problems: [
        ...new Set([...BODY_PROBLEMS, ...ASKED_PROBLEMS, 'too_many_jobs', 'kv_unavailable'] as const),
      ],
      handle: async (call) => {
        const { voucher_ids, metrics, format, time_period } = call.body;
        const span = spanOf(inquiries, call, { start_date: time_period.start, end_date: time_period.end });
        const query = {
          ...{ ...span.query, granularity: '1d', group_by: ['voucher_code'] },
          ...{ filters: { voucher_code: voucher_ids }, limit: MAX_VOUCHERS },
          metrics: [...new Set(metrics.map((name) => METRICS[name]))],
        };
        const { answer } = await inquiries.answered((asking) =>
          asking.ask(call, '/exports', { query, format }, jobSchema),
        );
        const { job_id, status } = answer;
        const estimated_completion = formatUtc(inquiries.now() + ESTIMATE_MS);
        return { status: 202, json: { export_id: job_id, status: STATUSES[status], estimated_completion } };
      },
    }),
    route({
      id: 'getVoucherExport',
      method: 'GET',
      path: '/export/{export_id}',
      tag: 'Vouchers',
      face: VOUCHERS,
      summary: 'Status of an export, and the link to its file',
      permission: 'jobs:read',
      params: z.object({ export_id: z.string().min(1).max(128) }),
      answers: {
        200: {
          description: '`completed` with its link, or `processing`; a failed one is an error `EXPORT_FAILED`',
          schema: z.object({
            ...{ export_id: z.string(), status: z.string(), download_url: z.string().nullable() },
            expires_at: z.string().nullable(),
          }),
        },
      },
      problems: ['not_found', 'field_masked', 'kv_unavailable', 'export_failed', 'expired'],
      handle: async (call) => {
        const path = { jobId: call.params.export_id };
        const { answer: found } = await inquiries.answered((asking) =>
          asking.get(call, '/exports/{jobId}', { path }, jobSchema),
        );
        const { job_id, status, error, download_url = null, file } = found;
        if (STATUSES[status] === 'failed') {
          const reason = error?.message ?? error?.code ?? status;
          throw new ApiError('export_failed', 'Failed to generate export', {
            errors: [{ path: 'reason', message: reason }],
          });
        }
        const { origin } = new URL(call.request.url);
        return {
          status: 200,
          json: {
            ...{ export_id: job_id, status: STATUSES[status] },
            download_url: download_url === null ? null : `${origin}${download_url}`,
            expires_at: file?.expires_at ?? null,
          },
        };
      },
    }),
  ];
}
