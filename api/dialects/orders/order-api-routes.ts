import type { Cursors, Route } from '../../http/index.ts';
import type { TenantFields } from '../../tenants/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { analyticsRoutes } from './analytics-routes.ts';
import { fieldRoutes } from './field-routes.ts';
import { listRoutes } from './list-routes.ts';

/** What the orders API needs of the service. */
export interface OrderApiParts {
  readonly fields: TenantFields;
  readonly cursors: Cursors;
}

/** The orders API, under `/api/v1`. */
export function orderApiRoutes(inquiries: Inquiries, { fields, cursors }: OrderApiParts): readonly Route[] {
  return [
    ...analyticsRoutes(inquiries),
    ...listRoutes(inquiries, (tenant, key) => fields.filterOf(tenant, key)),
    ...fieldRoutes(fields, cursors),
  ];
}
