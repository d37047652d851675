import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { MillraceError, privateText } from '../../engine/index.ts';
import { KnownRecords } from './known-records.ts';
import type { SigningSecret } from './record-signature.ts';

const SECRET_FILE = 'key-signing.secret';
const KNOWN_FILE = 'known-keys.json';
const SECRET = /^[0-9a-f]{64}\n$/;

/** What makes records of API keys trustworthy. None of it is in NATS. */
export interface KeyTrust {
  readonly secret: SigningSecret;
  readonly known: KnownRecords;
  /** The bucket may hold records of a version that did not sign: they are taken as they are, once. */
  readonly adoptUnsigned: boolean;
}

/**
 * The trust of an installation: the secret that `KEY_SIGNING_SECRET` sets, which all processes on one NATS share,
 * or one of the data folder, made at the first start. `isUpgrade`: the data folder has a state.
 * Throws `key_signing_secret_unusable`.
 */
export function openKeyTrust(dataDir: string, setting: string | undefined, isUpgrade: boolean): KeyTrust {
  const base = setting === undefined ? secretOf(join(dataDir, SECRET_FILE)) : Buffer.from(setting);
  const known = new KnownRecords(join(dataDir, KNOWN_FILE));
  return { secret: derived(base, 'api-keys'), known, adoptUnsigned: known.isNew && isUpgrade };
}

/** A secret for a purpose, from one that is used for others. */
export function derived(secret: SigningSecret, purpose: string): Uint8Array {
  return createHmac('sha256', secret).update(`millrace ${purpose}`).digest();
}

function secretOf(file: string): Buffer {
  const { text } = privateText(file, () => `${randomBytes(32).toString('hex')}\n`);
  if (SECRET.test(text)) return Buffer.from(text.trim(), 'hex');
  throw new MillraceError(
    'key_signing_secret_unusable',
    `${file} does not hold a secret of 64 hexadecimal digits. Restore it from a backup; without it all API keys ` +
      'have to be made again, and deleting it makes a new one.',
  );
}
