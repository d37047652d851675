import type { AuditAction } from '../../runtime/index.ts';
import type { RouteInfo } from './route.ts';

/** Queries are sent by POST; they change nothing, and show sums. */
const QUERIES = 'kpis:read';

/**
 * What the audit log calls a request; undefined: it has no entry. A route that changes something has one without saying
 * so, and one that is forgotten here is a change.
 */
export function auditedAs({ audited, method, permission }: RouteInfo): AuditAction | undefined {
  if (audited !== undefined) return audited === 'none' ? undefined : audited;
  if (permission === 'events:read' || permission === 'audit:manage') return 'read';
  if (method === 'GET') return undefined;
  if (permission === 'exports:create') return 'export';
  return permission === QUERIES ? undefined : 'change';
}
