export * from './auth.ts';
export { bootstrapAdminKey } from './bootstrap.ts';
export type { KeyRecord, NewKey } from './key-record.ts';
export { KeyRing, MAX_KEYS_PER_TENANT } from './key-ring.ts';
export { type RoleBody, Roles, roleKind } from './roles.ts';
export { TokenVerifier } from './token-verifier.ts';
