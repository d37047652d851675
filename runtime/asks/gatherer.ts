import {
  type AnsweredPart,
  byPartition,
  type GatheredAnswer,
  MillraceError,
  type MissingPart,
  mayPass,
  mergeParts,
  monotonicNow,
  type Part,
  type PartRequest,
  type RefusedQuery,
} from '../../engine/index.ts';
import { AnswerTimes } from './answer-times.ts';

/** Who may answer for a partition: its owner first, then its standbys. Members by their ids. */
export type Holders = (partition: string) => readonly string[];

/** Asks one process; rejects where it does not answer, with `no_responder` at once where it is known to be gone. */
export type AskMember = (
  member: string,
  request: PartRequest,
  timeout_ms: number,
  signal: AbortSignal,
) => Promise<readonly Part[]>;

export interface GatherLimits {
  /** A copy that has not answered after this, or after what 95 of 100 take if that is more, gets company, ms. */
  readonly hedge_ms: number;
  /** A partition that cannot answer yet is asked again after this, ms. */
  readonly again_ms: number;
  /** How long an answer is waited for where the caller does not say, ms. */
  readonly timeout_ms: number;
}

export const DEFAULT_GATHER_LIMITS: GatherLimits = { hedge_ms: 20, again_ms: 25, timeout_ms: 2_000 };

export interface GatherCounts {
  /** Questions, and the requests that they took. */
  readonly asked: number;
  readonly requests: number;
  /** Requests to a second copy because the first had not answered. */
  readonly hedged: number;
  /** Answers in which a partition is missing. */
  readonly incomplete: number;
}

export interface GathererOptions {
  readonly ask: AskMember;
  readonly holders: Holders;
  readonly limits?: Partial<GatherLimits>;
  /** Monotonic, ms. */
  readonly now_ms?: () => number;
}

/** How one partition stands while a question is open. */
interface Asked {
  readonly partition: string;
  /** Members that were asked and have not answered. */
  readonly open: Set<string>;
  /** Members that are not asked again in this round. */
  readonly tried: Set<string>;
  failure: MissingPart | undefined;
  answer: AnsweredPart | undefined;
  again_at_ms: number;
}

/**
 * Asks the processes that hold the partitions of a topology: one request a process. Where one is gone its standby is
 * asked at once; where one is slow, too, after a while; the first answer of a partition counts. At the deadline the
 * answer names the partitions that it lacks.
 */
export class Gatherer {
  readonly #options: GathererOptions;
  readonly #limits: GatherLimits;
  readonly #times = new AnswerTimes();
  readonly #counts = { asked: 0, requests: 0, hedged: 0, incomplete: 0 };

  constructor(options: GathererOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_GATHER_LIMITS, ...options.limits };
  }

  get counts(): GatherCounts {
    return { ...this.#counts };
  }

  /** `partitions`: all that the table has. */
  async gather(
    partitions: readonly string[],
    request: PartRequest,
    timeout_ms = this.#limits.timeout_ms,
  ): Promise<GatheredAnswer | RefusedQuery> {
    this.#counts.asked++;
    const question = new Question(partitions, request, timeout_ms, {
      ...this.#options,
      limits: this.#limits,
      times: this.#times,
      requested: (isHedge) => {
        this.#counts.requests++;
        if (isHedge) this.#counts.hedged++;
      },
    });
    const answer = await question.run();
    if (answer.ok && answer.missing.length > 0) this.#counts.incomplete++;
    return answer;
  }
}

interface QuestionOptions extends GathererOptions {
  readonly limits: GatherLimits;
  readonly times: AnswerTimes;
  requested(isHedge: boolean): void;
}

class Question {
  readonly #request: PartRequest;
  readonly #options: QuestionOptions;
  readonly #asked: readonly Asked[];
  readonly #until_ms: number;
  readonly #stop = new AbortController();
  readonly #now_ms: () => number;
  #refused: RefusedQuery | undefined;
  #wake: () => void = () => undefined;

  constructor(
    partitions: readonly string[],
    request: PartRequest,
    timeout_ms: number,
    options: QuestionOptions,
  ) {
    this.#request = request;
    this.#options = options;
    this.#now_ms = options.now_ms ?? monotonicNow;
    this.#until_ms = this.#now_ms() + timeout_ms;
    this.#asked = partitions.map((partition) => ({
      ...{ partition, open: new Set<string>(), tried: new Set<string>() },
      ...{ failure: undefined, answer: undefined, again_at_ms: 0 },
    }));
  }

  async run(): Promise<GatheredAnswer | RefusedQuery> {
    try {
      let hedge_at_ms = this.#now_ms() + this.#hedgeAfter_ms();
      this.#askThoseWithout(false);
      while (this.#refused === undefined && this.#left().length > 0) {
        const now_ms = this.#now_ms();
        if (now_ms >= this.#until_ms) break;
        const next_ms = Math.min(this.#until_ms, hedge_at_ms, ...this.#left().map(dueAt));
        await this.#sleep(Math.max(1, next_ms - now_ms));
        if (this.#now_ms() >= hedge_at_ms) {
          this.#askThoseWithout(true);
          hedge_at_ms = Number.POSITIVE_INFINITY;
        }
        this.#beginAgain();
        this.#askThoseWithout(false);
      }
    } finally {
      this.#stop.abort();
    }
    return this.#refused ?? this.#answer();
  }

  #hedgeAfter_ms(): number {
    return Math.max(this.#options.limits.hedge_ms, this.#options.times.usual_ms());
  }

  #left(): readonly Asked[] {
    return this.#asked.filter(({ answer }) => answer === undefined);
  }

  /** Asks the next copy of each partition that nobody works on; `isHedge`: of those, too, whose copy is slow. */
  #askThoseWithout(isHedge: boolean): void {
    const byMember = new Map<string, string[]>();
    for (const asked of this.#left()) {
      if (asked.open.size > 0 ? !isHedge : asked.again_at_ms > 0) continue;
      const member = this.#options.holders(asked.partition).find((id) => !asked.tried.has(id));
      if (member === undefined) {
        if (asked.open.size === 0) this.#later(asked);
        continue;
      }
      asked.tried.add(member);
      asked.open.add(member);
      byMember.set(member, [...(byMember.get(member) ?? []), asked.partition]);
    }
    for (const [member, partitions] of byMember) this.#send(member, partitions, isHedge);
  }

  #later(asked: Asked): void {
    const { partition, tried } = asked;
    const message = `No process holds partition ${partition} now.`;
    if (tried.size === 0) asked.failure = { partition, reason: 'no_holder', message };
    asked.again_at_ms = this.#now_ms() + this.#options.limits.again_ms;
  }

  /** What could not answer may by now. */
  #beginAgain(): void {
    const now_ms = this.#now_ms();
    for (const asked of this.#left()) {
      if (asked.again_at_ms === 0 || asked.again_at_ms > now_ms) continue;
      asked.again_at_ms = 0;
      asked.tried.clear();
    }
  }

  #send(member: string, partitions: readonly string[], isHedge: boolean): void {
    const { ask, times, requested } = this.#options;
    requested(isHedge);
    const begun_ms = this.#now_ms();
    const timeout_ms = Math.max(1, Math.ceil(this.#until_ms - begun_ms));
    ask(member, { ...this.#request, partitions }, timeout_ms, this.#stop.signal)
      .then((parts) => {
        times.add(this.#now_ms() - begun_ms);
        this.#hear(member, partitions, parts);
      })
      .catch((error: unknown) => {
        const { message } = error instanceof MillraceError ? error : { message: String(error) };
        for (const partition of partitions) this.#fail(member, { partition, reason: 'no_answer', message });
      })
      .finally(() => this.#wake());
  }

  #hear(member: string, partitions: readonly string[], parts: readonly Part[]): void {
    for (const partition of partitions) {
      const part = parts.find((one) => one.partition === partition);
      const asked = this.#of(partition);
      if (part?.ok === true) {
        asked.open.delete(member);
        // Both copies say the same at one position; the first that came stays, so that nothing moves back.
        asked.answer ??= part;
      } else if (part === undefined) {
        const message = `The process "${member}" does not hold partition ${partition} now.`;
        this.#fail(member, { partition, reason: 'not_held', message });
      } else {
        const { reason, message } = part;
        if (!mayPass(part)) this.#refused ??= refusal(part);
        this.#fail(member, { partition, reason, message });
      }
    }
  }

  #fail(member: string, missing: MissingPart): void {
    const asked = this.#of(missing.partition);
    asked.open.delete(member);
    asked.failure = missing;
  }

  #of(partition: string): Asked {
    return this.#asked.find((one) => one.partition === partition) as Asked;
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #answer(): GatheredAnswer {
    const answers = this.#asked.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
    const missing = this.#left().map(({ partition, failure }): MissingPart => {
      const message = `No process has answered for partition ${partition} in time.`;
      return failure ?? { partition, reason: 'no_answer', message };
    });
    return mergeParts(this.#request.query, answers, missing.sort(byPartition));
  }
}

function dueAt({ again_at_ms }: Asked): number {
  return again_at_ms === 0 ? Number.POSITIVE_INFINITY : again_at_ms;
}

function refusal(part: Part): RefusedQuery {
  if (part.ok) throw new MillraceError('invariant_broken', 'An answer is no refusal.');
  const { reason, message } = part;
  return { ok: false, reason: reason as RefusedQuery['reason'], message };
}
