import { describe, expect, it } from 'vitest';
import { readHostSettings } from './settings.ts';

const URL = { NATS_URL: 'nats://h:1' };

describe('settings of NATS', () => {
  it.each([
    [{ NATS_CREDS: '/c' }, { credentials: { kind: 'creds', file: '/c' } }],
    [{ NATS_NKEY: '/n' }, { credentials: { kind: 'nkey', file: '/n' } }],
    [{ NATS_TOKEN: 't' }, { credentials: { kind: 'token', token: 't' } }],
    [{ NATS_USER: 'u', NATS_PASSWORD: 'p' }, { credentials: { kind: 'user', user: 'u', password: 'p' } }],
    [{ NATS_CA: '/ca' }, { tls: { ca_file: '/ca' } }],
    [{ NATS_CERT: '/c', NATS_KEY: '/k' }, { tls: { cert_file: '/c', key_file: '/k' } }],
    [{ NATS_DOMAIN: 'hub' }, { domain: 'hub' }],
    [{ NATS_INBOX_PREFIX: '_INBOX_x.y' }, { inboxPrefix: '_INBOX_x.y' }],
    [{ NATS_REPLICAS: '3' }, { streams: { replicas: 3 } }],
    [
      { NATS_PLACEMENT_CLUSTER: 'eu', NATS_PLACEMENT_TAGS: 'ssd, fast' },
      { streams: { placement: { cluster: 'eu', tags: ['ssd', 'fast'] } } },
    ],
  ])('%j', (given, access) => {
    expect(readHostSettings({ ...URL, ...given }).nats).toEqual({ url: 'nats://h:1', ...access });
  });

  it('has a free port for the embedded server, or the one that is asked for', () => {
    expect(readHostSettings({})).toMatchObject({ nats: undefined, natsPort: 0 });
    expect(readHostSettings({ NATS_PORT: '4222' })).toMatchObject({ nats: undefined, natsPort: 4222 });
  });

  it.each([
    ['NATS_NKEY', { ...URL, NATS_CREDS: 'a', NATS_NKEY: 'b' }],
    ['NATS_PASSWORD', { ...URL, NATS_PASSWORD: 'p' }],
    ['NATS_USER', { ...URL, NATS_USER: 'u' }],
    ['NATS_CERT', { ...URL, NATS_CERT: 'c' }],
    ['NATS_KEY', { ...URL, NATS_KEY: 'c' }],
    ['NATS_CREDS', { NATS_CREDS: 'a' }],
    ['NATS_DOMAIN', { NATS_DOMAIN: 'hub' }],
    ['NATS_REPLICAS', { ...URL, NATS_REPLICAS: '9' }],
    ['NATS_INBOX_PREFIX', { ...URL, NATS_INBOX_PREFIX: 'a.>' }],
    ['NATS_PORT', { NATS_PORT: '70000' }],
  ])('stops for a bad %s: %j', (name, env) => {
    expect(() => readHostSettings(env)).toThrow(new RegExp(`Bad setting: ${name} `));
  });
});
