import { type ApiPorts, DEFAULT_TENANT, timeText } from '../http/index.ts';
import { moveFormerKeys } from './former-keys.ts';
import type { NewKey } from './key-record.ts';
import { type KeyRing, openKeyRing } from './key-ring.ts';

const ADMIN: NewKey = {
  name: 'first admin key',
  tenant: DEFAULT_TENANT,
  role: 'admin',
  tenants: '*',
  expires_at_ms: null,
  created_by: 'bootstrap',
};

/**
 * Moves keys of a former version, and makes sure that the tenant `default` has an admin key: the one that ADMIN_KEY
 * presets, else a generated one when there is none that works. A generated `key` is returned to be shown once.
 */
export async function bootstrapAdminKey(
  ports: Pick<ApiPorts, 'definitions' | 'formerKeys' | 'keyTrust' | 'clock' | 'log' | 'settings'>,
): Promise<{ readonly created: boolean; readonly key?: string }> {
  const { keyTrust, log, formerKeys: store } = ports;
  const { keys, definitions } = await openKeyRing(ports);
  try {
    await moveFormerKeys({ store, trust: keyTrust, keys, log });
    keyTrust.known.begin();
    const { adminKey } = ports.settings;
    if (adminKey !== undefined) return { created: await presetKey(keys, adminKey, log) };
    if (keys.hasAdmin()) return { created: false };
    const { token } = await keys.create(ADMIN);
    return { created: true, key: token };
  } finally {
    await definitions.close();
  }
}

async function presetKey(ring: KeyRing, token: string, log: ApiPorts['log']): Promise<boolean> {
  if (token.length < 16) log.warn('ADMIN_KEY is short: anybody may guess it');
  const { written, before, now } = await ring.preset(token, { ...ADMIN, name: 'ADMIN_KEY' });
  if (now.revoked_at_ms !== null) {
    log.warn(
      { revoked_at: timeText(now.revoked_at_ms) },
      'the key that ADMIN_KEY names was revoked and does not work, nor will it again: start with another ADMIN_KEY ' +
        'to have one, or go on with another admin key of all tenants',
    );
  }
  if (written && before !== undefined && before.revoked_at_ms === null) {
    log.warn(
      { preset_at: timeText(before.created_at_ms) },
      'ADMIN_KEY takes the place of the one that was preset before, which works no longer. Should another service ' +
        'on this NATS have that one, give both the same',
    );
  }
  return written;
}
