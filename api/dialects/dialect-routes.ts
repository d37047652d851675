import type { Route } from '../http/index.ts';
import { Asking, type AskingParts } from './asking/index.ts';
import { businessRoutes } from './business/index.ts';
import { ecommerceRoutes } from './ecommerce/index.ts';
import { voucherExportRoutes, voucherRoutes } from './vouchers/index.ts';

/**
 * The other APIs over the same data. Each has its own paths, parameters, forms of money and errors, and asks the first
 * API for every number.
 */
export function dialectRoutes(parts: AskingParts & { readonly version: string }): readonly Route[] {
  const asking = new Asking(parts);
  return [
    ...ecommerceRoutes(asking, parts.routes, parts.version),
    ...voucherRoutes(asking),
    ...businessRoutes(asking),
    ...voucherExportRoutes(asking),
  ];
}
