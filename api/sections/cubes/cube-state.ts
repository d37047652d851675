import { z } from 'zod';
import {
  CUBE_KIND,
  type CubeProgress,
  cubeProgress,
  formatUtc,
  OPERATORS,
} from '../../../analytics/index.ts';
import { CONTROL_TABLE, controlKey, type KvView, readApplied } from '../../../engine/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import type { ShownMembers } from '../../definitions/index.ts';
import type { ApiPorts } from '../../http/index.ts';

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

type CubeState = z.output<typeof stateSchema>;

/** How far each cube is built. */
export function cubeStates({ reader }: Pick<ApiPorts, 'reader'>): ShownMembers {
  return {
    members: { state: stateSchema },
    example: { state: { status: 'building', backfilling: 0.42, complete_from: '2025-07-12T00:00:00Z' } },
    of: (definitions) => {
      const state = reader();
      if (state === undefined) return definitions.map(() => ({ state: { status: 'pending' } }));
      return state.reader.snapshot((table) => {
        const cubes = cubeProgress(table, OPERATORS.cubes);
        return definitions.map((definition) => ({ state: stateOf(table, cubes, definition) }));
      });
    },
  };
}

function stateOf(
  table: (name: string) => KvView,
  cubes: ReadonlyMap<string, CubeProgress>,
  { tenant, id, revision }: Definition<unknown>,
): CubeState {
  const name = { kind: CUBE_KIND, scope: tenant, id };
  const applied = readApplied(table(CONTROL_TABLE), name);
  const cube = cubes.get(controlKey(name));
  if (applied === undefined || applied.revision < revision) return { status: 'pending' };
  const [refusal] = applied.refusals;
  if (refusal !== undefined) {
    const { code, message } = refusal;
    return { status: 'refused', reason: { code, message } };
  }
  if (cube === undefined) return { status: 'pending' };
  const { share, complete_from_ms: from_ms } = cube;
  const complete =
    from_ms === undefined ? {} : { complete_from: from_ms === null ? null : formatUtc(from_ms) };
  if (share === undefined) return { status: 'complete', ...complete };
  return { status: 'building', backfilling: Math.floor(share * 1_000) / 1_000, ...complete };
}
