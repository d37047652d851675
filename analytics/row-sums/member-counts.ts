import type { ByteReader, ByteWriter } from '../../engine/index.ts';
import type { DetailBudget } from './detail-budget.ts';

/** Distinct customers of one cell of an answer up to which their number is exact. */
export const EXACT_MEMBERS = 10_000;
/** Entries that a cell holds before it samples: room for what is taken back again. */
const WORKING_MEMBERS = 4 * EXACT_MEMBERS;
const INITIAL_SLOTS = 8;
const ENTRY_BYTES = 12;

/** `error`: the relative standard error of the number; 0 where it is exact. */
export interface MemberCount {
  readonly count: number;
  readonly error: number;
}

/**
 * Net counts by customer (64 bits of hash; not both words 0). A customer is a member while the count is above 0,
 * so what is taken back leaves no trace, in any order. Beyond WORKING_MEMBERS entries a cell keeps those whose
 * hash lies below a power of two: a threshold sample (Dasgupta, Lang, Rhodes, Thaler: "A framework for estimating
 * stream expression cardinalities", ICDT 2016), which is a function of the set and can be merged.
 */
export class MemberCounts {
  /** Entries are those whose mixed hash begins with so many zeros. */
  level = 0;
  readonly #budget: DetailBudget;
  #hi: Int32Array;
  #lo: Int32Array;
  #nets: Int32Array;
  #used = 0;

  constructor(budget: DetailBudget) {
    this.#budget = budget;
    budget.take(INITIAL_SLOTS * ENTRY_BYTES);
    this.#hi = new Int32Array(INITIAL_SLOTS);
    this.#lo = new Int32Array(INITIAL_SLOTS);
    this.#nets = new Int32Array(INITIAL_SLOTS);
  }

  add(hi: number, lo: number, net: number): void {
    const mixed = mix(hi, lo);
    if (!isBelow(mixed, this.level)) return;
    const [his, los] = [this.#hi, this.#lo];
    const mask = his.length - 1;
    for (let slot = mixed & mask; ; slot = (slot + 1) & mask) {
      const knownHi = his[slot] as number;
      const knownLo = los[slot] as number;
      if (knownHi === hi && knownLo === lo) {
        (this.#nets[slot] as number) += net;
        return;
      }
      if (knownHi !== 0 || knownLo !== 0) continue;
      his[slot] = hi;
      los[slot] = lo;
      this.#nets[slot] = net;
      this.#used++;
      break;
    }
    if (this.#used * 2 > his.length) this.#rebuild(his.length * 2);
    if (this.#used > WORKING_MEMBERS) this.#shrink();
  }

  #shrink(): void {
    this.#rebuild(this.#hi.length);
    while (this.#used > WORKING_MEMBERS / 2) this.#raise(this.level + 1);
  }

  #raise(level: number): void {
    if (level <= this.level) return;
    this.level = level;
    this.#rebuild(this.#hi.length);
  }

  /** Drops what came back to 0 and what is not below the level. */
  #rebuild(slots: number): void {
    if (slots > this.#hi.length) this.#budget.take((slots - this.#hi.length) * ENTRY_BYTES);
    const [his, los, nets] = [this.#hi, this.#lo, this.#nets];
    this.#hi = new Int32Array(slots);
    this.#lo = new Int32Array(slots);
    this.#nets = new Int32Array(slots);
    this.#used = 0;
    const mask = slots - 1;
    for (let from = 0; from < his.length; from++) {
      const net = nets[from] as number;
      if (net === 0) continue;
      const mixed = mix(his[from] as number, los[from] as number);
      if (!isBelow(mixed, this.level)) continue;
      let slot = mixed & mask;
      while (this.#hi[slot] !== 0 || this.#lo[slot] !== 0) slot = (slot + 1) & mask;
      this.#hi[slot] = his[from] as number;
      this.#lo[slot] = los[from] as number;
      this.#nets[slot] = net;
      this.#used++;
    }
  }

  addAll(other: MemberCounts): void {
    this.#raise(other.level);
    for (let slot = 0; slot < other.#hi.length; slot++) {
      const net = other.#nets[slot] as number;
      if (net !== 0) this.add(other.#hi[slot] as number, other.#lo[slot] as number, net);
    }
  }

  /** Members: exact up to EXACT_MEMBERS, beyond estimated from the largest sample of at most so many. */
  count(): MemberCount {
    const byLevel = new Int32Array(33);
    for (let slot = 0; slot < this.#hi.length; slot++) {
      if ((this.#nets[slot] as number) <= 0) continue;
      (byLevel[Math.clz32(mix(this.#hi[slot] as number, this.#lo[slot] as number))] as number)++;
    }
    let sample = 0;
    let level = byLevel.length;
    while (level > this.level && sample + (byLevel[level - 1] as number) <= EXACT_MEMBERS) {
      sample += byLevel[--level] as number;
    }
    if (level === 0) return { count: sample, error: 0 };
    return { count: sample * 2 ** level, error: Math.sqrt((1 - 2 ** -level) / Math.max(1, sample)) };
  }

  get isEmpty(): boolean {
    return this.#used === 0 || this.#nets.every((net) => net <= 0);
  }

  write(writer: ByteWriter): void {
    this.#rebuild(this.#hi.length);
    writer.u8(this.level).varint(this.#used);
    for (let slot = 0; slot < this.#hi.length; slot++) {
      const net = this.#nets[slot] as number;
      if (net === 0) continue;
      writer
        .u32((this.#hi[slot] as number) >>> 0)
        .u32((this.#lo[slot] as number) >>> 0)
        .zigzag(net);
    }
  }

  static read(reader: ByteReader, budget: DetailBudget): MemberCounts {
    const members = new MemberCounts(budget);
    members.level = reader.u8();
    for (let left = reader.varint(); left > 0; left--) {
      const hi = reader.u32() | 0;
      const lo = reader.u32() | 0;
      members.add(hi, lo, reader.zigzag());
    }
    return members;
  }
}

function isBelow(mixed: number, level: number): boolean {
  return level === 0 || mixed >>> (32 - level) === 0;
}

/** The finalizer of MurmurHash3 over both words, so that the sample does not depend on how ids were hashed. */
function mix(hi: number, lo: number): number {
  let hash = hi ^ Math.imul(lo, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
