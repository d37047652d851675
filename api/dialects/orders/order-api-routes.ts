import type { Route } from '../../http/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { analyticsRoutes } from './analytics-routes.ts';
import { listRoutes } from './list-routes.ts';

/** The orders API, under `/api/v1`. */
export function orderApiRoutes(inquiries: Inquiries): readonly Route[] {
  return [...analyticsRoutes(inquiries), ...listRoutes(inquiries, () => undefined)];
}
