export { AUDIT_ACTIONS, type AuditAction, type AuditEntry, MAX_QUERY_CHARS } from './audit-entry.ts';
export { AuditLog, type NewEntry, WAITING_MAX_ENTRIES } from './audit-log.ts';
