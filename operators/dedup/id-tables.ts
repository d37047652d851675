import { type KvView, rawTable } from '../../engine/index.ts';
import { mix32 } from '../core/index.ts';
import { IdRows } from './id-rows.ts';
import { storedIds } from './old-ids.ts';
import { ID_WORDS } from './recent-ids.ts';

/** The tables that `KnownIds` needs. */
export const idTables = () => ({
  // Which ids are known is content; which of them are in the log is a matter of the way.
  log: rawTable({ version: 2, logicalRows: (log, _, sibling) => [idSetDigest(log, sibling('blocks'))] }),
  blocks: rawTable({ version: 2, logicalRows: () => [] }),
  directory: rawTable({ version: 2, logicalRows: () => [] }),
});

/**
 * A digest of the set of remembered ids, for tests and tools: the sum of the mixed words, so that the
 * order and the place (log or runs) make no difference.
 */
export function idSetDigest(log: KvView, blocks: KvView): Uint8Array {
  let ids = 0;
  let sum = 0n;
  const add = (id0: number, id1: number, id2: number): void => {
    ids++;
    sum = BigInt.asUintN(
      64,
      sum + BigInt(mix32(id0) >>> 0) * 0x1_0000_0000n + BigInt(mix32(id1 ^ mix32(id2)) >>> 0),
    );
  };
  const codec = new IdRows(IdRows.maxIds);
  const entries = new Int32Array(IdRows.maxIds * ID_WORDS);
  for (const { value } of log.scan()) {
    const end = codec.read(value, entries, 0) * ID_WORDS;
    for (let at = 0; at < end; at += ID_WORDS)
      add(entries[at] as number, entries[at + 1] as number, entries[at + 2] as number);
  }
  for (const [id0, id1, id2] of storedIds(blocks)) add(id0, id1, id2);
  return Buffer.from(`${ids} ids, sum ${sum.toString(16)}`);
}
