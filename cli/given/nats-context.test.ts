import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../../test/scratch.ts';
import { contextSettings } from './nats-context.ts';

const scratch = new Scratch();
let home: string;
beforeAll(async () => {
  home = await scratch.dir('nats-context');
  mkdirSync(join(home, '.config/nats/context'), { recursive: true });
});
afterAll(() => scratch.clean());

function write(name: string, content: unknown): void {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(join(home, `.config/nats/context/${name}.json`), text);
}
const read = (name: string) => contextSettings(name, { HOME: home });

describe('contextSettings', () => {
  it('takes what says how to connect, and empties the rest', () => {
    // As `nats context save` writes it.
    write('prod', {
      description: 'Production',
      url: 'tls://a:4222,tls://b:4222',
      token: '',
      user: '',
      password: '',
      creds: '~/keys/app.creds',
      nkey: '',
      cert: '/pki/app.pem',
      key: '/pki/app.key',
      ca: '/pki/ca.pem',
      nsc: '',
      jetstream_domain: 'hub',
      jetstream_api_prefix: '',
      inbox_prefix: '_INBOX_app',
      user_jwt: '',
      tls_first: false,
    });
    expect(read('prod')).toEqual({
      NATS_URL: 'tls://a:4222,tls://b:4222',
      NATS_CREDS: join(home, 'keys/app.creds'),
      NATS_CERT: '/pki/app.pem',
      NATS_KEY: '/pki/app.key',
      NATS_CA: '/pki/ca.pem',
      NATS_DOMAIN: 'hub',
      NATS_INBOX_PREFIX: '_INBOX_app',
      NATS_USER: '',
      NATS_PASSWORD: '',
      NATS_TOKEN: '',
      NATS_NKEY: '',
    });
    write('plain', { user: 'u', password: 'p' });
    expect(read('plain')).toMatchObject({
      NATS_URL: 'nats://127.0.0.1:4222',
      NATS_USER: 'u',
      NATS_PASSWORD: 'p',
      NATS_CREDS: '',
    });
  });

  it('refuses what it cannot honour, by name', () => {
    const code = (name: string): unknown => {
      try {
        return read(name);
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    write('nsc', { nsc: 'nsc://o/a/u' });
    write('list', '[1');
    write('number', { url: 4222 });
    expect(['nothing', '../secret', 'nsc', 'list', 'number'].map(code)).toEqual([
      'nats_context_unknown',
      'nats_context_unreadable',
      'nats_context_unsupported',
      'nats_context_unreadable',
      'nats_context_unreadable',
    ]);
  });
});
