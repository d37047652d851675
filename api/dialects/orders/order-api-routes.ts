import type { Cursors, Route } from '../../http/index.ts';
import type { TenantFields } from '../../tenants/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { analyticsRoutes } from './analytics-routes.ts';
import { fieldRoutes } from './field-routes.ts';
import { type ImportRouteParts, importRoutes } from './import-routes.ts';
import { listRoutes } from './list-routes.ts';

/** What the orders API needs of the service. */
export interface OrderApiParts extends ImportRouteParts {
  readonly fields: TenantFields;
  readonly cursors: Cursors;
}

/** The orders API, under `/api/v1`. */
export function orderApiRoutes(inquiries: Inquiries, parts: OrderApiParts): readonly Route[] {
  const { fields, cursors } = parts;
  return [
    ...analyticsRoutes(inquiries),
    ...listRoutes(inquiries, (tenant, key) => fields.filterOf(tenant, key)),
    ...importRoutes(parts),
    ...fieldRoutes(fields, cursors),
  ];
}
