import { z } from 'zod';
import { askedSegments, type SegmentRule, segmentDefinitionMembersOf } from '../../analytics/index.ts';
import { type Definition, DefinitionError, type DefinitionKind } from '../../runtime/index.ts';
import { type ApiPorts, byDimensions } from '../http/index.ts';
import type { DefinitionUsers } from './definition-users.ts';

/** What a stored segment says: who is in it is found out anew for each query. */
export interface SegmentBody {
  readonly rule: SegmentRule;
  /** Of the money in the rule. */
  readonly currency?: string | undefined;
}

/** Stored segments. */
export function segmentDefinitionKind(
  ports: Pick<ApiPorts, 'settings'>,
  users: DefinitionUsers,
): DefinitionKind<SegmentBody> {
  const schema = byDimensions(ports, (custom) => z.strictObject(segmentDefinitionMembersOf(custom)));
  /** A query may name a segment by its id, which a new name leaves, or by its name. */
  const requireUnused = (segment: Definition<SegmentBody>, names: readonly string[]): void => {
    const { customDimensions } = ports.settings;
    const user = users.find(segment.tenant, (body) => {
      const asked =
        typeof body === 'object' && body !== null ? askedSegments(body, customDimensions) : undefined;
      return names.some((name) => asked?.names.includes(name));
    });
    if (user === undefined) return;
    throw new DefinitionError(
      'definition_in_use',
      `${user} names the segment "${segment.name}". Change or delete that first.`,
    );
  };
  return {
    kind: 'segment',
    get schema() {
      return schema();
    },
    check: ({ tenant, id, name }, others) => {
      const former = id === undefined ? undefined : others.get(tenant, id);
      if (former !== undefined && former.name !== name) requireUnused(former, [former.name]);
    },
    checkDelete: (segment) => requireUnused(segment, [segment.name, segment.id]),
  };
}
