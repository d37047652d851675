import { ByteReader, ByteWriter, type KvTable, type KvView } from '../../../engine/index.ts';
import { ALL_TIME_MS, DAY_MS, NEVER_MS } from './history.ts';

/** What an operator keeps of one definition: rows under an id, and from when on they are complete. Plain data. */
export interface BackfillSlot {
  /** Keys its rows: the first four bytes of their keys. Never used again while a row of it is left. */
  readonly id: number;
  /** Of the definition. */
  readonly name: string;
  /** Whose rows it counts; absent: everybody's. */
  readonly scope?: string;
  /** Rows from this time on are counted; what is before it waits to be read from the log. Moves back as it is. */
  readonly from_ms: number;
  /** Of the rows that the log has, the share that it counts; absent: all of them. */
  readonly share?: number;
  /** Its rows are being removed. */
  readonly isDropped: boolean;
}

/** The time from which a slot has every row: a UTC day, ALL_TIME_MS, or NEVER_MS. */
export function completeFrom(slot: BackfillSlot): number {
  if (slot.isDropped) return NEVER_MS;
  if (slot.from_ms === ALL_TIME_MS || slot.from_ms === NEVER_MS) return slot.from_ms;
  return Math.ceil(slot.from_ms / DAY_MS) * DAY_MS;
}

const idKey = (id: number): Uint8Array => new ByteWriter().u32(id).copy();

/** The slots that a state holds, from the operator's table of them, oldest first. */
export function readSlots<S extends BackfillSlot>(slots: KvView): readonly S[] {
  return Array.from(
    slots.scan(),
    ({ key, value }) =>
      ({ id: new ByteReader(key).u32(), ...JSON.parse(Buffer.from(value).toString()) }) as S,
  );
}

/** Reads slots again and again, for queries: what stayed is not parsed anew. */
export class SlotReader<S extends BackfillSlot> {
  #known = new Map<number, { readonly bytes: Uint8Array; readonly slot: S }>();

  /** As `readSlots`. */
  read(slots: KvView): readonly S[] {
    const found = new Map<number, { readonly bytes: Uint8Array; readonly slot: S }>();
    for (const { key, value } of slots.scan()) {
      const id = new ByteReader(key).u32();
      const known = this.#known.get(id);
      if (known !== undefined && Buffer.compare(known.bytes, value) === 0) found.set(id, known);
      else {
        const bytes = Uint8Array.from(value);
        found.set(id, { bytes, slot: { id, ...JSON.parse(Buffer.from(bytes).toString()) } as S });
      }
    }
    this.#known = found;
    return Array.from(found.values(), ({ slot }) => slot);
  }
}

/** Inside a commit. */
export function writeSlot(slots: KvTable, { id, ...rest }: BackfillSlot): void {
  slots.put(idKey(id), Buffer.from(JSON.stringify(rest)));
}

/** Inside a commit. Removes up to `max_rows` rows of a slot; true when none is left, nor the slot. */
export function removeSlotRows(
  slots: KvTable,
  tables: readonly KvTable[],
  id: number,
  max_rows: number,
): boolean {
  let left = max_rows;
  for (const table of tables) {
    const range = { start: idKey(id), end: idKey(id + 1), limit: left };
    const keys = Array.from(table.scan(range), ({ key }) => Uint8Array.from(key));
    for (const key of keys) table.remove(key);
    left -= keys.length;
    if (left === 0) return false;
  }
  slots.remove(idKey(id));
  return true;
}
