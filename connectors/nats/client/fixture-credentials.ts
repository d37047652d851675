import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nkeys } from 'nats';
import { folder } from '../../../test/configured-nats.ts';

/** A file with this content. */
export async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(await folder(), 'file');
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

export const seedOf = (pair: KeyPair): string => Buffer.from(pair.getSeed()).toString();

/** A JWT of NATS: the claims, signed with an NKey. */
function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: name,
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
  };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, nats: { ...nats, version: 2 } })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

const UNLIMITED = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
};

/** A server in operator mode: its configuration, and the credentials file of a user. */
export async function operatorMode(): Promise<{ readonly text: string; readonly credsFile: string }> {
  const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const limits = { ...UNLIMITED, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const systemJwt = jwt(operator, system, 'SYS', { type: 'account', limits: UNLIMITED });
  const accountJwt = jwt(operator, account, 'A', { type: 'account', limits });
  const userJwt = jwt(account, user, 'u', { type: 'user', subs: -1, data: -1, payload: -1 });
  const text = `
    operator: ${jwt(operator, operator, 'O', { type: 'operator', system_account: system.getPublicKey() })}
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload { ${system.getPublicKey()}: ${systemJwt}, ${account.getPublicKey()}: ${accountJwt} }`;
  const credsFile = await fileOf(
    `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`,
  );
  return { text, credsFile };
}

const run = promisify(execFile);

/** An authority, and a certificate of 127.0.0.1 that it signed; made with `openssl`. */
export async function certificates() {
  const path = await folder();
  const [ca_file, ca_key, cert_file, key_file] = ['ca.pem', 'ca.key', 'cert.pem', 'key.pem'].map((name) =>
    join(path, name),
  ) as [string, string, string, string];
  const request = join(path, 'request');
  const extensions = join(path, 'extensions');
  await writeFile(extensions, 'subjectAltName=IP:127.0.0.1');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=test',
    '-days',
    '2',
    '-keyout',
    ca_key,
    '-out',
    ca_file,
  ]);
  await run('openssl', ['req', ...key, '-subj', '/CN=here', '-keyout', key_file, '-out', request]);
  const sign = ['x509', '-req', '-in', request, '-CA', ca_file, '-CAkey', ca_key, '-CAcreateserial'];
  await run('openssl', [...sign, '-days', '2', '-extfile', extensions, '-out', cert_file]);
  return { ca_file, cert_file, key_file };
}
