import { orderQueries } from '../analytics/index.ts';
import type { AnyQueryKind } from '../engine/index.ts';

/** The module that scan threads load. */
export const SCAN_KINDS_MODULE = import.meta.url;
export const SETTINGS = { custom: [] };

/** Those that the routes ask. */
export function queryKinds(): readonly AnyQueryKind[] {
  return Object.values(orderQueries(SETTINGS)) as unknown as readonly AnyQueryKind[];
}
