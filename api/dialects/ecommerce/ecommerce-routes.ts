import type { Route } from '../../http/index.ts';
import type { Asking } from '../asking/index.ts';
import { customerRoutes } from './customer-routes.ts';
import { listingRoutes } from './listing-routes.ts';
import { liveRoutes } from './live-routes.ts';
import { productRoutes } from './product-routes.ts';
import { salesRoutes } from './sales-routes.ts';

/** The e-commerce API, under `/analytics`. */
export function ecommerceRoutes(
  asking: Asking,
  routes: () => readonly Route[],
  version: string,
): readonly Route[] {
  return [
    ...listingRoutes(routes, version),
    ...salesRoutes(asking),
    ...customerRoutes(asking),
    ...productRoutes(asking),
    ...liveRoutes(asking),
  ];
}
