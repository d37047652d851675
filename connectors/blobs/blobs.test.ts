import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3_KEY, TestS3 } from '../../test/s3-server.ts';
import { openBlobStore } from './index.ts';

let folder: string;
let s3: TestS3;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-objects-'));
  s3 = new TestS3(join(folder, 's3'), ['lake']);
  await s3.start();
});
afterAll(async () => {
  await s3.stop();
  rmSync(folder, { recursive: true, force: true });
});

const s3Settings = () => ({
  ...{ endpoint: s3.endpoint, region: 'us-east-1', accessKeyId: S3_KEY, secretAccessKey: S3_KEY },
});

describe.each([
  ['a folder', () => openBlobStore(join(folder, 'local'), undefined)],
  ['a prefix of a bucket', () => openBlobStore('s3://lake/millrace/events', s3Settings())],
  ['a bucket', () => openBlobStore('s3://lake', s3Settings())],
] as const)('the contract of a store of blobs, on %s', (_, open) => {
  it('keeps files by name, whole, and lists them in order', async () => {
    const objects = open();
    const bytes = Uint8Array.from({ length: 300_000 }, (__, at) => (at * 7) % 256);
    expect(await objects.get('t/none')).toBeUndefined();
    expect(await objects.list('t/')).toEqual([]);
    await objects.put('t/tenant=a/2.bin', bytes);
    await objects.put('t/tenant=a/1.bin', Buffer.from('one'));
    await objects.put('t/tenant=b/1.bin', Buffer.from(''));
    await objects.put('t/tenant=a/1.bin', Buffer.from('again'));
    expect(Buffer.from((await objects.get('t/tenant=a/2.bin')) ?? []).equals(bytes)).toBe(true);
    expect(Buffer.from((await objects.get('t/tenant=a/1.bin')) ?? []).toString()).toBe('again');
    expect((await objects.get('t/tenant=b/1.bin'))?.length).toBe(0);
    expect(await objects.list('t/')).toEqual(['t/tenant=a/1.bin', 't/tenant=a/2.bin', 't/tenant=b/1.bin']);
    expect(await objects.list('t/tenant=a/2')).toEqual(['t/tenant=a/2.bin']);
    await objects.remove('t/tenant=a/1.bin');
    await objects.remove('t/tenant=a/1.bin');
    expect(await objects.list('t/tenant=a/')).toEqual(['t/tenant=a/2.bin']);
    await objects.close();
  });
});

it('says what is wrong with the place', async () => {
  expect(() => openBlobStore('s3://lake', undefined)).toThrow(
    expect.objectContaining({ code: 'bad_setting' }),
  );
  const gone = openBlobStore('s3://nothing-here', s3Settings());
  await expect(gone.put('a', Buffer.from('1'))).rejects.toMatchObject({
    code: 's3_failed',
    retriable: false,
  });
  await gone.close();
});
