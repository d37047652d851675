import { timeText } from '../../http/index.ts';
import type { Found } from './letter-reader.ts';
import { type LetterView, letterView } from './letter-schemas.ts';

/** Groups that are told apart; what is beyond them is counted together. */
const MAX_GROUPS = 500;
const MAX_TYPES = 10;

interface Group {
  readonly reason: string;
  readonly shape: readonly string[];
  readonly types: Set<string>;
  count: number;
  resolved: number;
  first_ms: number;
  last_ms: number;
  example: Found;
}

/** Dead letters by reason and shape. */
export class LetterGroups {
  readonly #groups = new Map<string, Group>();
  /** Letters of groups for which there was no room. */
  others = 0;

  add(found: Found): void {
    const { letter, group: id, shape, type, resolved } = found;
    const known = this.#groups.get(id);
    if (known === undefined && this.#groups.size >= MAX_GROUPS) {
      this.others++;
      return;
    }
    const { reason, at_ms } = letter;
    const group: Group = known ?? {
      ...{ reason, shape, types: new Set(), count: 0, resolved: 0 },
      ...{ first_ms: at_ms, last_ms: at_ms, example: found },
    };
    group.count++;
    if (resolved !== undefined) group.resolved++;
    if (type !== '' && group.types.size < MAX_TYPES) group.types.add(type);
    group.first_ms = Math.min(group.first_ms, at_ms);
    group.last_ms = Math.max(group.last_ms, at_ms);
    group.example = found;
    this.#groups.set(id, group);
  }

  /** The largest first. */
  views(isMasked: boolean): readonly object[] {
    return [...this.#groups]
      .sort(([a, one], [b, two]) => two.count - one.count || (a < b ? -1 : 1))
      .map(([id, { reason, shape, types, count, resolved, first_ms, last_ms, example }]) => ({
        ...{ group: id, reason, shape, types: [...types], count, resolved },
        first_at: timeText(first_ms),
        last_at: timeText(last_ms),
        example: letterView(example, isMasked) satisfies LetterView,
      }));
  }
}
