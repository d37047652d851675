import type { Route } from '../../http/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { customerRoutes } from './customer-routes.ts';
import { listingRoutes } from './listing-routes.ts';
import { liveRoutes } from './live-routes.ts';
import { productRoutes } from './product-routes.ts';
import { salesRoutes } from './sales-routes.ts';

/** The e-commerce API, under `/analytics`. */
export function ecommerceRoutes(
  inquiries: Inquiries,
  routes: () => readonly Route[],
  version: string,
): readonly Route[] {
  return [
    ...listingRoutes(routes, version),
    ...salesRoutes(inquiries),
    ...customerRoutes(inquiries),
    ...productRoutes(inquiries),
    ...liveRoutes(inquiries),
  ];
}
