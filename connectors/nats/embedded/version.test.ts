import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeServer, temporaryFolder, writeExecutable } from './fixture-embedded.ts';
import { compareVersions, parseVersion, probeVersion } from './version.ts';

describe('versions', () => {
  it.each([
    ['nats-server: v2.10.27', '2.10.27'],
    ['2.10.27-1+b2', '2.10.27'],
    ['nats-server: v2.14.0-RC.1', '2.14.0'],
    ['nats-server: v2.10', undefined],
    ['', undefined],
  ])('are read from %j', (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });

  it('are compared by number', () => {
    expect(['2.9.25', '2.10.2', '2.10.11', '3.0.0'].toSorted(compareVersions)).toEqual([
      '2.9.25',
      '2.10.2',
      '2.10.11',
      '3.0.0',
    ]);
  });
});

describe('probeVersion', () => {
  it.each([
    ['one that is new enough', fakeServer('2.10.0'), '2.10.0'],
    ['one that is too old', fakeServer('2.9.25'), /is version 2\.9\.25, older than 2\.10\.0/],
    ['another program', '#!/bin/sh\necho v20.20.0\n', /is no nats-server/],
    ['one that fails', '#!/bin/sh\necho "no libc" >&2; exit 127\n', /failed \(exit code 127\): no libc/],
  ])('of %s', async (_what, script, expected) => {
    const path = await writeExecutable(join(await temporaryFolder(), 'nats-server'), script);
    if (typeof expected === 'string') expect(await probeVersion(path)).toBe(expected);
    else await expect(probeVersion(path)).rejects.toThrow(expected);
  });
});
