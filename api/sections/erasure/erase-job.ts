import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type FinderParts, type Members, messageParts } from '../../../analytics/index.ts';
import { MillraceError } from '../../../engine/index.ts';
import { derived, type JobKind, type RunningJob, Seal } from '../../../runtime/index.ts';
import { type ApiPorts, awaitFreshness, type EventMessage, type FreshnessTracker } from '../../http/index.ts';
import type { ErasedMessages } from '../health/index.ts';
import { subjectToken } from '../ingest/index.ts';
import { isResumed } from '../jobs/index.ts';
import { inForce, messagesOf, ownOf, type Person, type PersonsOwn } from './person-events.ts';
import { archivedRemains, type Counting, pseudonymOf, replacementsOf, withoutPerson } from './remains.ts';
import { eraseTold, type ToldParts, untilTold } from './told-texts.ts';

export const ERASE_JOB = 'customer_erasure';
const UNIT = 'messages';
/** Messages between two steps that are kept. */
const SLICE = 100;
const PAUSE_MS = 500;

export const eraseInput = z.strictObject({ sealed: z.string() });

const stateSchema = z.object({
  messages: z.number().default(0),
  events: z.number().default(0),
  others: z.number().default(0),
  letters: z.number().default(0),
  archived: z.number().default(0),
  notices: z.number().default(0),
  in_app: z.number().default(0),
  sinks: z.number().default(0),
});
type EraseState = z.infer<typeof stateSchema>;

export interface ErasureParts {
  readonly ports: ApiPorts;
  readonly tracker: FreshnessTracker;
  readonly erased: ErasedMessages;
  /** How what was told is found. */
  readonly told: Omit<ToldParts, 'streams'>;
}

/** Whom a job is about, as it is kept: only the installation can read it. */
export function sealedCustomer({ keyTrust }: ApiPorts, tenant: string, customer_id: string): string {
  return new Seal(derived(keyTrust.secret, 'erasures')).seal(tenant, customer_id);
}

/**
 * Erases a person. For each message with an event of theirs: what is left of its events is put into the stream, then
 * the message is deleted, its bytes overwritten. Interrupted, it begins again with what is still there: an event that
 * was replaced already is not replaced again, and what was published twice counts once.
 */
export function eraseKind(parts: ErasureParts): JobKind {
  return { type: ERASE_JOB, lane: 'ingest', run: (job) => new Erasure(parts, job).run() };
}

class Erasure {
  readonly #parts: ErasureParts;
  readonly #job: RunningJob;
  readonly #tenant: string;
  readonly #customer: string;
  readonly #pseudonym: string;
  #state: EraseState;

  constructor(parts: ErasureParts, job: RunningJob) {
    const { keyTrust } = parts.ports;
    this.#parts = parts;
    this.#job = job;
    this.#tenant = job.record.tenant;
    const { sealed } = eraseInput.parse(job.record.input);
    const customer = new Seal(derived(keyTrust.secret, 'erasures')).open(this.#tenant, sealed);
    if (customer === undefined)
      throw new MillraceError(
        'erasure_unreadable',
        'The job was made with another secret: ask for it again.',
      );
    this.#customer = customer;
    this.#pseudonym = pseudonymOf(derived(keyTrust.secret, 'pseudonyms'), this.#tenant, customer);
    this.#state = stateSchema.parse(job.record.state ?? {});
  }

  async run(): ReturnType<JobKind['run']> {
    // That does not pass by waiting, as a state does that is not ready.
    if (this.#parts.ports.eraser === undefined)
      throw new MillraceError('not_supported', 'This process cannot delete messages of the stream.');
    const person = await this.#person();
    const { signal } = this.#job;
    const whose = await this.#patiently(async () =>
      ownOf(await this.#finder(person), person, this.#counting(), signal),
    );
    const sequences = await this.#patiently(async () =>
      messagesOf(await this.#finder(person), whose, person.upTo, signal),
    );
    for (let at = 0; at < sequences.length; at += SLICE) {
      const slice = sequences.slice(at, at + SLICE);
      await this.#patiently(() => this.#slice(person, slice, whose));
      this.#advance(sequences.length);
    }
    // Of messages that were erased before a crash something may be held still.
    await this.#patiently(() => this.#told(person, whose, sequences[0] ?? 1));
    this.#advance(sequences.length);
    await this.#patiently(() => this.#letters(whose));
    await this.#patiently(() => this.#archive(whose));
    this.#advance(sequences.length);
    return { result: this.#report() };
  }

  /** As the generation counts that is current now. */
  #counting(): Counting {
    const { customDimensions: custom, dimensionPaths } = this.#parts.ports.settings;
    const paths = Object.hasOwn(dimensionPaths, this.#tenant) ? dimensionPaths[this.#tenant] : undefined;
    return { custom, paths: Object.values(paths ?? {}) };
  }

  /** Of the generation that is current now, once it has what the job is about: another one may have come since. */
  async #finder({ upTo }: Person): Promise<FinderParts> {
    const { ports, tracker } = this.#parts;
    await awaitFreshness(ports, tracker, { force_fresh: false, min_sequence: upTo });
    const finder = this.#parts.ports.finder?.();
    if (finder !== undefined) return finder;
    throw new MillraceError('state_not_ready', 'The events cannot be read yet.', { retriable: true });
  }

  /** Once everything is applied that is in the stream now. */
  async #person(): Promise<Person> {
    const { ports, tracker } = this.#parts;
    const { sequence: upTo } = await this.#patiently(() => ports.stream.head());
    await this.#patiently(() => awaitFreshness(ports, tracker, { force_fresh: false, min_sequence: upTo }));
    return { tenant: this.#tenant, customer_id: this.#customer, pseudonym: this.#pseudonym, upTo };
  }

  async #slice(person: Person, sequences: readonly number[], whose: PersonsOwn): Promise<void> {
    const { ports, erased } = this.#parts;
    const { signal } = this.#job;
    const finder = await this.#finder(person);
    const found = await finder.payloads.fetch(sequences, signal);
    const counts = await inForce(finder, person, sequences, signal);
    const copies: EventMessage[] = [];
    let [events, others] = [0, 0];
    for (const [sequence, message] of found) {
      if (message === null) continue;
      for (const { part, members } of messageParts(message).parts) {
        const counting = counts.get(`${sequence}/${part}`);
        // A repeat, or what was rejected, has no row: nothing takes its place.
        if (members === undefined || counting === undefined) continue;
        const isOwn = whose.owns(members);
        copies.push(...this.#copiesOf(members, isOwn));
        if (!counting) continue;
        if (isOwn) events++;
        else others++;
      }
    }
    if (copies.length > 0) await ports.events.publishAll(copies);
    const { incarnation } = await ports.stream.head();
    // Before they are gone: a gap that nobody can explain would be a loss.
    await erased.add(incarnation, sequences);
    let deleted = 0;
    for (const sequence of sequences) if ((await ports.eraser?.events.erase(sequence)) === true) deleted++;
    const state = this.#state;
    this.#state = {
      ...state,
      messages: state.messages + deleted,
      events: state.events + events,
      others: state.others + others,
    };
  }

  #copiesOf(members: Members, isOwn: boolean): readonly EventMessage[] {
    const left = isOwn ? withoutPerson(members, this.#pseudonym, this.#counting()) : members;
    const { customer_id, order_id } = left;
    const key = [customer_id, order_id].find((id) => typeof id === 'string' && id !== '');
    return replacementsOf(members, left).map((text) => {
      const payload = Buffer.from(text);
      return {
        subject: `events.${this.#tenant}.${subjectToken(typeof key === 'string' ? key : '')}`,
        payload,
        id: createHash('sha256').update(`${this.#tenant}\0`).update(payload).digest('hex'),
      };
    });
  }

  /** What was told of them, once nobody can make more of it of what has left the stream. */
  async #told({ upTo }: Person, whose: PersonsOwn, first: number): Promise<void> {
    const streams = this.#parts.ports.eraser?.told;
    if (streams === undefined) return;
    const { signal } = this.#job;
    const told: ToldParts = { ...this.#parts.told, streams };
    await untilTold(told, first, upTo, signal);
    await eraseTold(told, whose, signal, (stream, messages) => {
      this.#state = { ...this.#state, [stream]: this.#state[stream] + messages };
    });
  }

  /** Dead letters of the person. */
  async #letters(whose: PersonsOwn): Promise<void> {
    const { deadLetters, eraser } = this.#parts.ports;
    if (deadLetters === undefined || eraser === undefined) return;
    const { sequence: end } = await deadLetters.end();
    const first = await deadLetters.letters.firstSequence();
    for await (const letter of deadLetters.letters.read(first, end, this.#tenant, this.#job.signal)) {
      if (!whose.quotes(letter.data) && !whose.isIn(letter)) continue;
      if (await eraser.letters.erase(letter.sequence))
        this.#state = { ...this.#state, letters: this.#state.letters + 1 };
    }
  }

  async #archive(whose: PersonsOwn): Promise<void> {
    const { archive } = this.#parts.ports;
    if (archive === undefined) return;
    const { messages } = await archive.erase(
      whose,
      (event) => archivedRemains(event, withoutPerson(event, this.#pseudonym, this.#counting())),
      (incarnation) => this.#parts.erased.resolved.filter((range) => range.incarnation === incarnation),
      this.#job.signal,
    );
    this.#state = { ...this.#state, archived: this.#state.archived + messages };
  }

  #advance(total: number): void {
    const { messages } = this.#state;
    const counts = { ...this.#state };
    const step = { done: messages, total: Math.max(total, messages), unit: UNIT, state: this.#state, counts };
    this.#job.advance({ ...step, result: this.#report() });
  }

  #report(): object {
    const { messages, events, others, letters, archived, notices, in_app, sinks } = this.#state;
    return {
      pseudonym: this.#pseudonym,
      stream: { messages_deleted: messages, events_replaced: events, events_of_others_moved: others },
      dead_letters: { messages_deleted: letters },
      archive: { messages_changed: archived },
      told: { notices_deleted: notices, in_app_deleted: in_app, sink_messages_deleted: sinks },
      // What an attempt did in its last second before a crash is in no count.
      counts_are: isResumed(this.#job.record) ? 'at_least' : 'exact',
      at: new Date(this.#parts.ports.clock.now()).toISOString(),
      remains: REMAINS,
    };
  }

  /** Tries again while NATS, or the state, is away. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const { signal, record } = this.#job;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        const isPassing = isUnmet(error) || (error instanceof MillraceError && error.retriable);
        if (!isPassing) throw error;
        this.#parts.ports.log.warn({ err: error, job_id: record.job_id }, 'an erasure waits');
        await sleep(PAUSE_MS, undefined, { signal });
      }
    }
  }
}

const isUnmet = (error: unknown): boolean =>
  error instanceof Error && 'status' in error && error.status === 503;

const REMAINS = [
  'what people, webhooks, sinks and connectors were told already, where they keep it',
  'state: 64-bit hashes of the ids in rows that were taken back, and texts of dimensions, until the state is built anew',
  'free pages of the state: bytes of dead letters, until POST /jobs/compaction with min_free_share gives them back',
  'snapshots and exports that were made before; the audit log and the access log, which name the request',
];
