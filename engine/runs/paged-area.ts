import { ByteArea } from './copy-bytes.ts';

const PAGE_BITS = 20;
/** A record lies in one page whole; a longer one gets a page of its own size. */
export const PAGE_BYTES = 1 << PAGE_BITS;
const WITHIN = PAGE_BYTES - 1;

/** Pages that are not in use now, for all who share the pool: memory follows what they need together. */
export class PagePool {
  readonly #free: ByteArea[] = [];

  take(size_bytes: number): ByteArea {
    if (size_bytes > PAGE_BYTES) return new ByteArea(size_bytes);
    return this.#free.pop() ?? new ByteArea(PAGE_BYTES);
  }

  give(pages: readonly ByteArea[]): void {
    for (const page of pages) if (page.size_bytes === PAGE_BYTES) this.#free.push(page);
  }

  get memory_bytes(): number {
    return this.#free.length * PAGE_BYTES;
  }
}

/**
 * Bytes in pages. It grows without a copy, and frees no large arrays: those leave holes that the allocator does not
 * give back. A place is a page's number and an offset within it in one integer.
 */
export class PagedArea {
  readonly #pool: PagePool;
  #pages: ByteArea[] = [];
  /** Behind what was reserved last. */
  #end = 0;

  constructor(pool: PagePool) {
    this.#pool = pool;
  }

  areaOf(place: number): ByteArea {
    return this.#pages[place >>> PAGE_BITS] as ByteArea;
  }

  offsetOf(place: number): number {
    return place & WITHIN;
  }

  /** A place with room for so many bytes. */
  reserve(size_bytes: number): number {
    const last = this.#pages.length - 1;
    if (last >= 0 && this.#end + size_bytes <= PAGE_BYTES) {
      const at = this.#end;
      this.#end = at + size_bytes;
      return (last << PAGE_BITS) | at;
    }
    this.#pages.push(this.#pool.take(size_bytes));
    this.#end = size_bytes;
    return (last + 1) << PAGE_BITS;
  }

  /** Makes what was reserved last, `place`, longer where it lies; false where it is not the last, or there is no room. */
  extend(place: number, from_bytes: number, to_bytes: number): boolean {
    const at = place & WITHIN;
    const isLast = place >>> PAGE_BITS === this.#pages.length - 1 && at + from_bytes === this.#end;
    if (!isLast || at + to_bytes > PAGE_BYTES) return false;
    this.#end = at + to_bytes;
    return true;
  }

  /** Of its pages. */
  get memory_bytes(): number {
    return this.#pages.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  }

  clear(): void {
    this.#pool.give(this.#pages);
    this.#pages = [];
    this.#end = 0;
  }
}
