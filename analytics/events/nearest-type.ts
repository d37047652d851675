import { EVENT_TYPES, type EventType, normalType, OTHER_TYPE, typeCode } from '../event-types.ts';

/** Types as the documentation writes them, where that is not their normal form. */
const WRITTEN: Readonly<Partial<Record<EventType, string>>> = {
  'product.viewed': 'product_viewed',
  'add.to.cart': 'add_to_cart',
  'checkout.initiated': 'checkout_initiated',
  'order.status.changed': 'order.status_changed',
  'ticket.first.response': 'ticket.first_response',
  'lead.stage.changed': 'lead.stage_changed',
};

/** Edits up to which a name is taken for another one that was meant, as a share of its length. */
const NEAR_SHARE = 0.4;

export interface UncountedType {
  /** In its normal form. */
  readonly type: string;
  /** The nearest type that the analytics know, as it is written; null when none is near. */
  readonly nearest: string | null;
}

/** What is to be said of a type that no metric counts; undefined for one that the analytics know. */
export function nearestType(type: string): UncountedType | undefined {
  if (typeCode(type) !== OTHER_TYPE) return undefined;
  const normal = normalType(type);
  let nearest: EventType | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const known of EVENT_TYPES) {
    const edits = editsBetween(normal, known);
    if (edits < fewest) [nearest, fewest] = [known, edits];
  }
  if (nearest === undefined || fewest > NEAR_SHARE * Math.max(normal.length, nearest.length))
    return { type: normal, nearest: null };
  return { type: normal, nearest: WRITTEN[nearest] ?? nearest };
}

/** A sentence about such a type. */
export function uncountedWarning({ type, nearest }: UncountedType): string {
  const meant = nearest === null ? '' : ` Did you mean ${nearest}?`;
  return `No metric counts events of the type ${JSON.stringify(type)}; they are kept and can be queried.${meant}`;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment distance). */
function editsBetween(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const now = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min(
        (last[column] as number) + 1,
        (now[column - 1] as number) + 1,
        (last[column - 1] as number) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, (before[column - 2] as number) + 1);
      now.push(edits);
    }
    [before, last] = [last, now];
  }
  return last[b.length] as number;
}
