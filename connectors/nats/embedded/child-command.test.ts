import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from './child-command.ts';
import { isRunning, temporaryFolder, until } from './fixture-embedded.ts';

describe('runCommand', () => {
  it('gives output and exit code', async () => {
    const result = await runCommand('sh', ['-c', 'echo out; echo err >&2; exit 3'], { timeoutMs: 60_000 });
    expect(result).toEqual({ code: 3, signal: null, stdout: 'out\n', stderr: 'err\n' });
  });

  it('rejects when there is no such program', async () => {
    await expect(runCommand('/nowhere/nats-server', [], { timeoutMs: 60_000 })).rejects.toThrow('ENOENT');
  });

  it('kills what takes too long', async () => {
    const pidFile = join(await temporaryFolder(), 'pid');
    const run = runCommand('sh', ['-c', `echo $$ > ${pidFile}; exec sleep 60`], { timeoutMs: 4_000 });
    await expect(run).rejects.toThrow('sh -c did not end within 4000 ms');
    const pid = Number(await readFile(pidFile, 'utf8'));
    await until('the child is gone', () => !isRunning(pid));
  });

  it('keeps a bounded part of the output', async () => {
    const result = await runCommand('head', ['-c', '1000000', '/dev/zero'], { timeoutMs: 60_000 });
    expect(result.stdout.length).toBe(256 * 1024);
  });
});
