import { randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { NatsLink } from '../../connectors/index.ts';
import { asMillraceError, copyLmdbState, MillraceError, PRIVATE_FOLDER_MODE } from '../../engine/index.ts';
import { isHostedHere } from '../host/index.ts';
import { sha256Of, synced } from '../snapshots/index.ts';
import type { TaskKey } from './records.ts';

/** Copies of states between members, by request and reply: nothing of it is stored by a server. */
export const COPY_LIMITS = {
  /** Of one answer; less than the largest message that a server takes by default. */
  chunk_bytes: 512 * 1024,
  /** Requests of one copy that are under way. */
  chunks_in_flight: 8,
  /** Copies that one member gives at once. */
  copies_at_once: 2,
  /** A copy that nobody reads from goes after so long, ms. */
  idle_ms: 30_000,
  /** How long making a copy, and one chunk, may take, ms. */
  begin_timeout_ms: 120_000,
  chunk_timeout_ms: 5_000,
  /** How often a chunk is asked for. */
  chunk_tries: 4,
};

const DATA_FILE = 'data.mdb';
/** The first byte of an answer. */
const [GIVEN, REFUSED] = [0, 1];

type Connection = NatsLink['connection'];
type Subscription = ReturnType<Connection['subscribe']>;
type Message = Awaited<ReturnType<Connection['request']>>;

const answerOf = (kind: number, body: Uint8Array): Uint8Array => Buffer.concat([Buffer.from([kind]), body]);
const given = (value: object): Uint8Array => answerOf(GIVEN, Buffer.from(JSON.stringify(value)));

export const copySubject = (topology: string, member: string): string =>
  `millrace.${topology}.copy.${member}`;

const request = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begin'), task: z.string().max(32) }),
  z.object({ kind: z.literal('read'), copy: z.string().max(64), offset: z.int().nonnegative() }),
  z.object({ kind: z.literal('end'), copy: z.string().max(64) }),
]);
const refusal = z.object({ code: z.string(), text: z.string(), retriable: z.boolean() });
const begun = z.object({
  copy: z.string(),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

interface OpenCopy {
  readonly folder: string;
  readonly file: FileHandle;
  readonly bytes: number;
  used_at_ms: number;
}

export interface StateGiverOptions {
  readonly link: NatsLink;
  readonly topology: string;
  readonly member: string;
  /** The folder of the state of a task that this process has; undefined: it has none. */
  readonly statePath: (task: TaskKey) => string | undefined;
  /** Where copies lie while they are read: on the disk of the states, which needs room for them. */
  readonly scratch: string;
  readonly log: (line: string) => void;
}

/** Gives other members copies of the states of this one, while tasks go on. */
export class StateGiver {
  readonly #options: StateGiverOptions;
  readonly #copies = new Map<string, OpenCopy>();
  #beginning = 0;
  #subscription: Subscription | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: StateGiverOptions) {
    this.#options = options;
  }

  /** Resolves when others are answered. */
  async start(): Promise<void> {
    const { link, topology, member } = this.#options;
    this.#subscription = link.connection.subscribe(copySubject(topology, member), {
      callback: (error, message) => {
        if (error === null) void this.#answer(message);
      },
    });
    this.#sweeper = setInterval(() => {
      for (const [id, { used_at_ms }] of this.#copies) {
        if (performance.now() - used_at_ms > COPY_LIMITS.idle_ms) void this.#drop(id);
      }
    }, COPY_LIMITS.idle_ms / 2).unref();
    await link.connection.flush();
  }

  async stop(): Promise<void> {
    this.#subscription?.unsubscribe();
    clearInterval(this.#sweeper);
    await Promise.all([...this.#copies.keys()].map((id) => this.#drop(id)));
  }

  async #answer(message: Message): Promise<void> {
    try {
      const wanted = request.safeParse(parsed(message.data));
      if (!wanted.success) throw new MillraceError('copy_request_invalid', 'This is no request for a copy.');
      const { data } = wanted;
      if (data.kind === 'begin') message.respond(given(await this.#begin(data.task)));
      else if (data.kind === 'read')
        message.respond(answerOf(GIVEN, await this.#read(data.copy, data.offset)));
      else {
        await this.#drop(data.copy);
        message.respond(given({}));
      }
    } catch (thrown) {
      const { code, message: text, retriable } = asMillraceError(thrown);
      message.respond(answerOf(REFUSED, Buffer.from(JSON.stringify({ code, text, retriable }))));
    }
  }

  async #begin(task: TaskKey): Promise<z.infer<typeof begun>> {
    const { statePath, scratch, log } = this.#options;
    const path = statePath(task);
    if (path === undefined) throw new MillraceError('copy_no_state', `There is no state of ${task} here.`);
    if (this.#copies.size + this.#beginning >= COPY_LIMITS.copies_at_once) {
      throw new MillraceError('copies_busy', `${COPY_LIMITS.copies_at_once} copies are under way already.`, {
        retriable: true,
      });
    }
    this.#beginning++;
    mkdirSync(scratch, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    const folder = await mkdtemp(join(scratch, 'copy-'));
    try {
      await copyLmdbState(path, folder, { sharedWithWriter: isHostedHere(path) });
      const whole = join(folder, DATA_FILE);
      const [bytes, sha256] = [statSync(whole).size, await sha256Of(whole)];
      const copy = randomUUID();
      const file = await open(whole, 'r');
      this.#copies.set(copy, { folder, file, bytes, used_at_ms: performance.now() });
      log(`${task}: a copy of ${bytes} bytes is given to another member`);
      return { copy, bytes, sha256 };
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    } finally {
      this.#beginning--;
    }
  }

  async #read(id: string, offset: number): Promise<Uint8Array> {
    const copy = this.#copies.get(id);
    if (copy === undefined) throw new MillraceError('copy_gone', 'This copy is not there, or no more.');
    copy.used_at_ms = performance.now();
    const wanted = Math.min(COPY_LIMITS.chunk_bytes, Math.max(0, copy.bytes - offset));
    const chunk = Buffer.alloc(wanted);
    const { bytesRead } = await copy.file.read(chunk, 0, wanted, offset);
    return chunk.subarray(0, bytesRead);
  }

  async #drop(id: string): Promise<void> {
    const copy = this.#copies.get(id);
    if (copy === undefined) return;
    this.#copies.delete(id);
    await copy.file.close();
    await rm(copy.folder, { recursive: true, force: true });
  }
}

function parsed(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString('utf8'));
  } catch {
    return undefined;
  }
}

export interface StateFetch {
  readonly link: NatsLink;
  readonly topology: string;
  /** Of whom it is asked. */
  readonly member: string;
  readonly task: TaskKey;
  /** The folder of the state here, which has none. */
  readonly to: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (copied_bytes: number, bytes: number) => void;
}

/**
 * Copies the state of a task from another member; it is there as a whole and on the disk when this resolves, else not at
 * all. Rejects with `copy_no_state`, `copies_busy`, `copy_unanswered`, `copy_damaged`, `copy_cancelled`, `disk_full`.
 */
export async function fetchState(fetch: StateFetch): Promise<{ readonly bytes: number }> {
  const { member, task, to } = fetch;
  const answer = await ask(fetch, { kind: 'begin', task }, COPY_LIMITS.begin_timeout_ms);
  const said = begun.safeParse(parsed(answer)).data;
  if (said === undefined) throw new MillraceError('copy_damaged', `${member} gave no copy of ${task}.`);
  const { copy, bytes, sha256 } = said;
  mkdirSync(dirname(to), { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const folder = await mkdtemp(`${to}.copy-`);
  try {
    const whole = join(folder, DATA_FILE);
    await writeChunks(fetch, copy, bytes, whole);
    const found = await sha256Of(whole);
    if (found !== sha256) {
      throw new MillraceError(
        'copy_damaged',
        `The copy of ${task} from ${member} has not the bytes of its state.`,
        {
          retriable: true,
        },
      );
    }
    await synced(whole);
    await synced(folder);
    await rename(folder, to);
    await synced(dirname(to));
    return { bytes };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    // Where it is not heard, the copy goes by itself after a while.
    await ask(fetch, { kind: 'end', copy }, COPY_LIMITS.chunk_timeout_ms).catch(() => undefined);
  }
}

async function writeChunks(fetch: StateFetch, copy: string, bytes: number, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    while (next < bytes) {
      const offset = next;
      next += COPY_LIMITS.chunk_bytes;
      const chunk = await readChunk(fetch, copy, offset, Math.min(COPY_LIMITS.chunk_bytes, bytes - offset));
      await file.write(chunk, 0, chunk.length, offset);
      done += chunk.length;
      fetch.onProgress?.(done, bytes);
    }
  };
  try {
    const workers = Array.from({ length: COPY_LIMITS.chunks_in_flight }, work);
    // All of them end before the file is closed, also where one has failed.
    const ends = await Promise.allSettled(workers);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } finally {
    await file.close();
  }
}

async function readChunk(fetch: StateFetch, copy: string, offset: number, size: number): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      const data = await ask(fetch, { kind: 'read', copy, offset }, COPY_LIMITS.chunk_timeout_ms);
      if (data.length === size) return data;
      throw new MillraceError(
        'copy_damaged',
        `A part of the copy has ${data.length} bytes in place of ${size}.`,
      );
    } catch (thrown) {
      const error = asMillraceError(thrown);
      if (error.code !== 'copy_unanswered' || tries >= COPY_LIMITS.chunk_tries) throw error;
    }
  }
}

async function ask(
  { link, topology, member, signal }: StateFetch,
  wanted: z.infer<typeof request>,
  timeout: number,
): Promise<Uint8Array> {
  if (signal.aborted && wanted.kind !== 'end')
    throw new MillraceError('copy_cancelled', 'The copy was cancelled.');
  let answer: Uint8Array;
  try {
    const subject = copySubject(topology, member);
    answer = (await link.connection.request(subject, JSON.stringify(wanted), { timeout })).data;
  } catch (cause) {
    throw new MillraceError('copy_unanswered', `The member ${member} does not answer for its states.`, {
      cause,
      retriable: true,
    });
  }
  const body = answer.subarray(1);
  if (answer[0] === GIVEN) return body;
  const refused = refusal.safeParse(parsed(body)).data;
  if (refused === undefined) throw new MillraceError('copy_damaged', `${member} answered what is no copy.`);
  throw new MillraceError(refused.code, refused.text, { retriable: refused.retriable });
}
