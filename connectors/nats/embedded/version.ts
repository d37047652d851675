import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from './child-command.ts';
import { hasCode } from './embedded-errors.ts';

/** The oldest server with what the default topology needs: subject transforms, multi-filter, metadata. */
export const MINIMUM_VERSION = '2.10.0';

const PROBE_TIMEOUT_MS = 5_000;
const BUSY_RETRIES = 5;

/** The `major.minor.patch` in a text such as `nats-server: v2.10.27`, or undefined. */
export function parseVersion(text: string): string | undefined {
  return /(?:^|[^\d.])(\d{1,5}\.\d{1,5}\.\d{1,5})(?![\d.])/.exec(text)?.[1];
}

/** Negative when `a` is the older version. Both are `major.minor.patch`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Runs `<path> --version` and returns its version. Throws with the reason when it does not run, does not
 * answer as a nats-server does, or is older than {@link MINIMUM_VERSION}.
 */
export async function probeVersion(path: string): Promise<string> {
  const result = await runFresh(path);
  if (result.code !== 0) {
    const ended = result.signal ?? `exit code ${result.code}`;
    throw new Error(
      `${path} --version failed (${ended}): ${(result.stderr || result.stdout).trim().slice(0, 300)}`,
    );
  }
  const version = result.stdout.startsWith('nats-server') ? parseVersion(result.stdout) : undefined;
  if (version === undefined) {
    throw new Error(
      `${path} is no nats-server: --version printed ${JSON.stringify(result.stdout.slice(0, 80))}`,
    );
  }
  if (compareVersions(version, MINIMUM_VERSION) < 0) {
    throw new Error(`${path} is version ${version}, older than ${MINIMUM_VERSION}`);
  }
  return version;
}

/**
 * A file that was written a moment ago can be "busy": another thread of this process that forked while it
 * was open for writing holds it until that child has called exec. It passes within milliseconds.
 */
async function runFresh(path: string): ReturnType<typeof runCommand> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await runCommand(path, ['--version'], { timeoutMs: PROBE_TIMEOUT_MS });
    } catch (error) {
      if (attempt === BUSY_RETRIES || !hasCode(error, 'ETXTBSY')) throw error;
      await sleep(20 * 2 ** attempt);
    }
  }
}
