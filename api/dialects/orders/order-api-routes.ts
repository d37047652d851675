import type { ApiPorts, Cursors, Route } from '../../http/index.ts';
import type { TenantFields } from '../../tenants/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { actionRoutes } from './action-routes.ts';
import { analyticsRoutes } from './analytics-routes.ts';
import { exportRoute } from './export-route.ts';
import { fieldRoutes } from './field-routes.ts';
import { type ImportRouteParts, importRoutes } from './import-routes.ts';
import { listRoutes } from './list-routes.ts';

/** What the orders API needs of the service. */
export interface OrderApiParts extends ImportRouteParts {
  readonly ports: ApiPorts;
  readonly fields: TenantFields;
  readonly cursors: Cursors;
}

/** The orders API, under `/api/v1`. */
export function orderApiRoutes(inquiries: Inquiries, parts: OrderApiParts): readonly Route[] {
  const { fields, cursors } = parts;
  const dimensionOf = (tenant: string, key: string): string | undefined => fields.filterOf(tenant, key);
  return [
    ...analyticsRoutes(inquiries),
    ...listRoutes(inquiries, dimensionOf),
    ...importRoutes(parts),
    exportRoute(inquiries, dimensionOf),
    ...actionRoutes(inquiries, parts.ports),
    ...fieldRoutes(fields, cursors),
  ];
}
