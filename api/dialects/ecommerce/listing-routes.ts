import { z } from 'zod';
import { type Face, type Route, route } from '../../http/index.ts';
import { ECOMMERCE } from './face.ts';

/** The list of endpoints is also at the root of the server. */
const ROOT: Face = { ...ECOMMERCE, base: '' };

const BASE = '/v1/order-analytics';

const answer = z.object({
  ...{ service: z.string(), version: z.string(), base: z.string().describe('Of the first API') },
  ...{ health: z.string(), openapi: z.string(), docs: z.string(), redoc: z.string() },
  endpoints: z.array(z.object({ method: z.string(), path: z.string(), summary: z.string() })),
});

/** What there is, for who comes without a document. `routes` are those of the service, as they are now. */
export function listingRoutes(routes: () => readonly Route[], version: string): Route[] {
  const listing = (): z.output<typeof answer> => ({
    ...{ service: 'Millrace order analytics', version, base: BASE, health: `${BASE}/health` },
    ...{ openapi: '/openapi.json', docs: '/docs', redoc: '/redoc' },
    endpoints: routes().map(({ face, method, path, summary }) => ({
      ...{ method, path: `${face?.base ?? BASE}${path}`, summary },
    })),
  });
  const spec = {
    ...{ method: 'GET' as const, tag: 'E-commerce', summary: 'All endpoints', permission: 'none' as const },
    ...{ answers: { 200: { description: 'All endpoints', schema: answer } }, problems: [] },
    handle: () => ({ status: 200 as const, json: listing() }),
  };
  return [
    route({ ...spec, id: 'listEndpoints', path: '/', face: ROOT }),
    route({ ...spec, id: 'ecommerceEndpoints', path: '', face: ECOMMERCE }),
  ];
}
