import { type KeyValueStore, MillraceError } from '../../../engine/index.ts';

/** Sequences of one entry of the bucket. */
const BLOCK_SEQUENCES = 4_096;
/** Changes of one entry that give way to others' before it is given up. */
const MAX_TRIES = 20;

/** Dead letters that were mended and sent again, by their sequences, inclusive. */
interface Mark {
  readonly first: number;
  readonly last: number;
  readonly at_ms: number;
  readonly job_id: string;
}

interface Block {
  readonly marks: readonly Mark[];
}

/** Which dead letters of a stream are resolved. Marks of letters that the stream has no more are removed. */
export class LetterMarks {
  readonly #store: KeyValueStore;
  /** Of the stream: its sequences begin again where it was made again. */
  readonly #incarnation: number;
  readonly #blocks = new Map<number, Promise<readonly Mark[]>>();

  constructor(store: KeyValueStore, incarnation: number) {
    this.#store = store;
    this.#incarnation = incarnation;
  }

  /** The mark of a letter; undefined: it is open. Reads each block once. */
  async of(sequence: number): Promise<Mark | undefined> {
    const block = blockOf(sequence);
    const known = this.#blocks.get(block) ?? this.#read(block);
    this.#blocks.set(block, known);
    return (await known).find(({ first, last }) => first <= sequence && sequence <= last);
  }

  async #read(block: number): Promise<readonly Mark[]> {
    const entry = await this.#store.get(this.#key(block));
    return entry === undefined ? [] : (entry.value as Block).marks;
  }

  /** Marks letters as resolved; those that are stay as they are. Throws a retriable error when the bucket is away. */
  async add(sequences: readonly number[], { at_ms, job_id }: Pick<Mark, 'at_ms' | 'job_id'>): Promise<void> {
    const blocks = new Map<number, number[]>();
    for (const at of sequences) blocks.set(blockOf(at), [...(blocks.get(blockOf(at)) ?? []), at]);
    for (const [block, ofBlock] of blocks) {
      await this.#change(block, (marks) => {
        const isNew = (sequence: number): boolean =>
          !marks.some(({ first, last }) => first <= sequence && sequence <= last);
        const fresh = ofBlock.filter(isNew).map((at) => ({ first: at, last: at, at_ms, job_id }));
        return joined([...marks, ...fresh]);
      });
    }
  }

  async #change(block: number, change: (marks: readonly Mark[]) => readonly Mark[]): Promise<void> {
    const key = this.#key(block);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const entry = await this.#store.get(key);
      const marks = change(entry === undefined ? [] : (entry.value as Block).marks);
      const written =
        entry === undefined
          ? await this.#store.create(key, { marks })
          : await this.#store.update(key, { marks }, entry.revision);
      if (written.ok) {
        this.#blocks.set(block, Promise.resolve(marks));
        return;
      }
    }
    throw new MillraceError('kv_unavailable', 'The marks of dead letters are being changed by too many.', {
      retriable: true,
    });
  }

  /** Removes the marks of what the stream has no more. */
  async forget(first_sequence: number): Promise<void> {
    const oldest = this.#key(blockOf(first_sequence));
    for (const { key } of await this.#store.list()) if (key < oldest) await this.#store.delete(key);
  }

  /** Sorts by incarnation, then by sequence. */
  #key(block: number): string {
    return `${String(this.#incarnation).padStart(16, '0')}.${String(block).padStart(12, '0')}`;
  }
}

const blockOf = (sequence: number): number => Math.floor(sequence / BLOCK_SEQUENCES);

/** In the order of their sequences, neighbours of one job as one. */
function joined(marks: readonly Mark[]): readonly Mark[] {
  const sorted = [...marks].sort((a, b) => a.first - b.first);
  const out: Mark[] = [];
  for (const mark of sorted) {
    const last = out.at(-1);
    if (last !== undefined && last.last + 1 === mark.first && last.job_id === mark.job_id) {
      out[out.length - 1] = { ...last, last: mark.last, at_ms: mark.at_ms };
    } else out.push(mark);
  }
  return out;
}
