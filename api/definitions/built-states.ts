import { z } from 'zod';
import { formatUtc } from '../../analytics/index.ts';
import { CONTROL_TABLE, controlKey, type KvView, readApplied } from '../../engine/index.ts';
import type { Definition } from '../../runtime/index.ts';
import type { ApiPorts } from '../http/index.ts';
import type { ShownMembers } from './definition-answer.ts';

const stateSchema = z.object({
  status: z
    .enum(['pending', 'building', 'complete', 'refused'])
    .describe('`pending`: the pipeline has not taken it yet; until it is `complete` scans answer'),
  backfilling: z.number().optional().describe('While it is built: the share that is done, 0 to 1'),
  complete_from: z
    .string()
    .nullable()
    .optional()
    .describe('Event time from which it answers; null: all time. Absent: for no time yet'),
  reason: z.object({ code: z.string(), message: z.string() }).optional().describe('Why it is refused'),
});

type BuiltState = z.output<typeof stateSchema>;
type Reason = NonNullable<BuiltState['reason']>;

/** How far the pipeline has built what a definition asks for. */
interface Progress {
  /** Absent: it is done. */
  readonly share?: number;
  /** null: all time; undefined: for no time yet. */
  readonly complete_from_ms?: number | null | undefined;
  /** It is left to scans. */
  readonly refused?: Reason;
}

interface BuiltOf {
  readonly kind: string;
  /** By `controlKey`. */
  readonly progress: (table: (name: string) => KvView) => ReadonlyMap<string, Progress>;
  /** Why the pipeline builds nothing for a definition that it has taken. */
  readonly leftOut?: Reason;
}

/** The member `state` of definitions that the pipeline builds something for: how far it is. */
export function builtStates({ reader }: Pick<ApiPorts, 'reader'>, of: BuiltOf): ShownMembers {
  return {
    members: { state: stateSchema },
    example: { state: { status: 'building', backfilling: 0.42, complete_from: '2025-07-12T00:00:00Z' } },
    of: (definitions) => {
      const state = reader();
      if (state === undefined) return definitions.map(() => ({ state: { status: 'pending' } }));
      return state.reader.snapshot((table) => {
        const progress = of.progress(table);
        return definitions.map((definition) => ({ state: stateOf(table, of, progress, definition) }));
      });
    },
  };
}

function stateOf(
  table: (name: string) => KvView,
  { kind, leftOut }: BuiltOf,
  progress: ReadonlyMap<string, Progress>,
  { tenant, id, revision }: Definition<unknown>,
): BuiltState {
  const name = { kind, scope: tenant, id };
  const applied = readApplied(table(CONTROL_TABLE), name);
  if (applied === undefined || applied.revision < revision) return { status: 'pending' };
  const built = progress.get(controlKey(name));
  const [refusal] = applied.refusals;
  const reason = refusal ?? built?.refused ?? (built === undefined ? leftOut : undefined);
  if (reason !== undefined) {
    const { code, message } = reason;
    return { status: 'refused', reason: { code, message } };
  }
  if (built === undefined) return { status: 'pending' };
  const { share, complete_from_ms: from_ms } = built;
  const complete =
    from_ms === undefined ? {} : { complete_from: from_ms === null ? null : formatUtc(from_ms) };
  if (share === undefined && from_ms !== undefined) return { status: 'complete', ...complete };
  return { status: 'building', backfilling: Math.floor((share ?? 0) * 1_000) / 1_000, ...complete };
}
