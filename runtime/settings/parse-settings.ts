import type { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';

/**
 * Settings of these names, from the environment; an empty variable counts as absent. Throws `bad_setting` with
 * a sentence that names the variable and what it takes. Values are not repeated: some are secret.
 */
export function parseSettings<T>(
  schema: z.ZodType<T>,
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): T {
  const given = Object.fromEntries(
    names.map((name) => [name, env[name]?.trim() === '' ? undefined : env[name]?.trim()]),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const sentences = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}.`);
  throw new MillraceError('bad_setting', `Bad setting: ${sentences.join(' ')} Correct it and start again.`);
}
