import { type LogUpkeep, MillraceError } from '../../engine/index.ts';

/** The kind of definition by which a job asks the task for work on the event log. */
export const LOG_UPKEEP_KIND = 'log_upkeep';

/** What a definition of `LOG_UPKEEP_KIND` asks for. Throws `bad_upkeep`. */
export function logUpkeepOf(body: unknown): LogUpkeep {
  const { mode, scopes } = body as { readonly mode?: unknown; readonly scopes?: unknown };
  const isMode = mode === 'retention' || mode === 'compaction';
  const isList = Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string');
  if (isMode && scopes === undefined) return { mode };
  if (isMode && isList) return { mode, scopes: scopes as readonly string[] };
  throw new MillraceError(
    'bad_upkeep',
    `${JSON.stringify(body)} is no upkeep: \`mode\` must be "retention" or "compaction", \`scopes\` a list of tenants.`,
  );
}
