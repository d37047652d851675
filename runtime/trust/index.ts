export { derived, type KeyTrust, openKeyTrust } from './key-trust.ts';
export { type KnownRecord, KnownRecords } from './known-records.ts';
export { canonicalJson, type Opened, openSigned, type SigningSecret, signed } from './record-signature.ts';
