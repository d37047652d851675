import { z } from 'zod';
import type { MetricSample } from '../../../engine/index.ts';
import { PROMETHEUS_TYPE } from '../../../runtime/index.ts';
import type { HttpMetrics } from '../../app/index.ts';
import { type Answer, type ApiPorts, type Route, route } from '../../http/index.ts';

const metricsSchema = z.object({
  pipeline: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['counter', 'gauge']),
      help: z.string(),
      labels: z.record(z.string(), z.string()),
      value: z.number(),
    }),
  ),
  http: z.array(
    z.object({
      route: z.string(),
      method: z.string(),
      count: z.number(),
      p50: z.number().nullable().describe('Seconds'),
      p95: z.number().nullable(),
      p99: z.number().nullable(),
    }),
  ),
});

/** Of the queries; none while the state is damaged, which health names: the other numbers are wanted all the more. */
function querySamples(ports: ApiPorts): readonly MetricSample[] {
  try {
    return ports.reader()?.queries?.samples() ?? [];
  } catch {
    return [];
  }
}

/** Section 16: numbers about the service itself. */
export function metricsRoutes(
  ports: ApiPorts,
  http: HttpMetrics,
  own: () => readonly MetricSample[],
): readonly Route[] {
  return [
    route({
      id: 'getMetrics',
      method: 'GET',
      path: '/metrics',
      tag: 'Operation',
      summary: 'Metrics of the pipeline and of HTTP, for Prometheus or as JSON',
      description:
        'Prometheus text by default, JSON for `Accept: application/json`. docs/metrics.md lists them. The numbers are of the process, over all tenants.',
      permission: 'metrics:read',
      reach: 'installation',
      answers: {
        200: {
          description: 'The metrics',
          content: { 'text/plain': { schema: z.string() }, 'application/json': { schema: metricsSchema } },
        },
      },
      problems: [],
      handle: async ({ request }): Promise<Answer> => {
        const samples = [...ports.pipeline().metrics, ...querySamples(ports), ...own()];
        const accept = request.headers.get('accept') ?? '';
        if (accept.includes('application/json')) {
          return { status: 200, json: { pipeline: samples, http: await http.latencies() } };
        }
        const headers = { 'Content-Type': PROMETHEUS_TYPE };
        return { status: 200, headers, text: await http.text(samples) };
      },
    }),
  ];
}
