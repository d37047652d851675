export * from './auth.ts';
export { bootstrapAdminKey } from './bootstrap.ts';
export { type KeyRecord, MAX_KEYS_PER_TENANT, type NewKey } from './key-record.ts';
export { KeyRing, openKeyRing } from './key-ring.ts';
export { type RoleBody, Roles, roleKind } from './roles.ts';
export { TokenVerifier } from './token-verifier.ts';
