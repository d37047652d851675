import { describe, expect, it } from 'vitest';
import { fileFromTarGz, fileFromZip } from './archive.ts';
import { tarGz, zip } from './fixture-embedded.ts';

const FILES = { 'v1/': '', 'v1/LICENSE': 'x'.repeat(700), 'v1/nats-server': '#!/bin/sh\n', 'v1/README': '' };

describe.each([
  ['tar.gz', tarGz, fileFromTarGz],
  ['zip', zip, fileFromZip],
])('a file out of a %s', (_name, pack, fileFrom) => {
  it('is found in whatever folder', () => {
    expect(fileFrom(pack(FILES), 'nats-server').toString()).toBe('#!/bin/sh\n');
    expect(fileFrom(pack(FILES), 'LICENSE').length).toBe(700);
  });

  it('is missed with a sentence', () => {
    expect(() => fileFrom(pack(FILES), 'nats-server.exe')).toThrow('the archive has no nats-server.exe');
  });

  it('is not read from a cut-off archive', () => {
    const archive = pack(FILES);
    expect(() => fileFrom(archive.subarray(0, archive.length / 2), 'nats-server')).toThrow();
  });
});

describe('fileFromZip', () => {
  it('refuses what is no zip', () => {
    expect(() => fileFromZip(Buffer.from('<html>'), 'nats-server')).toThrow('no zip file');
  });
});
