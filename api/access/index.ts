export * from './auth.ts';
export { bootstrapAdminKey, type KeyRecord, KeyRing, MAX_KEYS_PER_TENANT } from './key-ring.ts';
export { TokenVerifier } from './token-verifier.ts';
