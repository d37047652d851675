import { requireText } from '../../engine/index.ts';
import { hashJson, murmur128 } from '../core/index.ts';
import type { Identified } from './dedup.ts';

const words = new Uint32Array(4);
const encoder = new TextEncoder();

/**
 * What `dedup` needs of an item beside its time: 96 bits of the MurmurHash3 of its id (put the tenant into the id
 * where ids are a tenant's own), and 32 bits of a hash of `content`, a JSON value whose members may come in any
 * order. Spread it into the item: `{ ...order, ...identify(order.id, order) }`. That any two of 10^9 ids have one
 * hash has a chance of about 6 in 10^12. Throws `bad_text` for an id that is no text.
 */
export function identify(id: string, content: unknown): Omit<Identified, 'time_ms'> {
  requireText(id);
  const bytes = encoder.encode(id);
  murmur128(bytes, 0, bytes.length, 0, words);
  return {
    id0: words[0] as number,
    id1: words[1] as number,
    id2: words[2] as number,
    payload: hashJson(content) >>> 0,
  };
}
