import type { Route } from '../http/index.ts';
import { type AskingParts, Inquiries } from './asking/index.ts';
import { businessRoutes } from './business/index.ts';
import { ecommerceRoutes } from './ecommerce/index.ts';
import { type OrderApiParts, orderApiRoutes } from './orders/index.ts';
import { voucherExportRoutes, voucherRoutes } from './vouchers/index.ts';

/**
 * The other APIs over the same data. Each has its own paths, parameters, forms of money and errors, and asks the first
 * API for every number.
 */
export function dialectRoutes(
  parts: AskingParts & OrderApiParts & { readonly version: string },
): readonly Route[] {
  const inquiries = new Inquiries(parts);
  return [
    ...ecommerceRoutes(inquiries, parts.routes, parts.version),
    ...voucherRoutes(inquiries),
    ...businessRoutes(inquiries),
    ...voucherExportRoutes(inquiries),
    ...orderApiRoutes(inquiries, parts),
  ];
}
