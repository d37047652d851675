import { type NatsLink, NatsRequests, type Served } from '../../connectors/index.ts';
import {
  answerParts,
  type GatheredAnswer,
  type HeldPart,
  MillraceError,
  type Part,
  type PartRequest,
  type RefusedQuery,
} from '../../engine/index.ts';
import { encodeJson, parseRequest } from './ask-request.ts';
import { type GatherCounts, Gatherer, type GatherLimits, type Holders } from './gatherer.ts';

/** Requests that one process answers at once: the reads are synchronous, what waits is memory. */
const IN_FLIGHT_MAX = 256;

/** Where a topology's tables lie. */
export interface TablePlaces {
  /** The stage that has a table, by its id or the name of its operator; undefined where none has. */
  stageOf(table: string): string | undefined;
  /** Of the partitions of a stage, in order. */
  partitionsOf(stage: string): readonly string[];
}

export interface AskServiceOptions {
  readonly link: NatsLink;
  readonly topology: string;
  /** This process. */
  readonly member: string;
  readonly places: TablePlaces;
  /** What this process holds of a stage now. */
  readonly held: (stage: string) => readonly HeldPart[];
  /** Makes sure of the leases of what this process owns of a stage: whoever asks wants its owner. */
  readonly confirm?: (stage: string, partitions: readonly string[] | undefined) => Promise<void>;
  /** Who holds the partitions of a stage now. */
  readonly holders: (stage: string) => Holders;
  readonly limits?: Partial<GatherLimits>;
}

/** Where any client asks a topology: `nats req millrace.<topology>.q '{"table": …, "query": …}'`. */
export function askSubject(topology: string): string {
  return `millrace.${topology}.q`;
}

function memberSubject(topology: string, member: string): string {
  return `${askSubject(topology)}.${member}`;
}

/**
 * Answers table queries over NATS, for the partitions of this process to those who gather, and for the whole topology to
 * any client. Payloads are JSON; `docs/cluster-queries.md` has their forms.
 */
export class AskService {
  readonly #options: AskServiceOptions;
  readonly #requests: NatsRequests;
  readonly #gatherers = new Map<string, Gatherer>();
  readonly #served: readonly Served[];

  constructor(options: AskServiceOptions) {
    const { link, topology, member } = options;
    this.#options = options;
    this.#requests = new NatsRequests(link);
    const limits = { in_flight_max: IN_FLIGHT_MAX };
    this.#served = [
      this.#requests.serve(
        memberSubject(topology, member),
        async (payload) => encodeJson({ member, parts: await this.#parts(parseRequest(payload)) }),
        limits,
      ),
      this.#requests.serve(
        askSubject(topology),
        async (payload) => {
          const { timeout_ms, ...request } = parseRequest(payload);
          return encodeJson(await this.ask(request, timeout_ms));
        },
        { ...limits, queue: 'millrace' },
      ),
    ];
  }

  /** Of all stages and processes together since the start. */
  get counts(): GatherCounts {
    const sum = { asked: 0, requests: 0, hedged: 0, incomplete: 0 };
    for (const { counts } of this.#gatherers.values()) {
      for (const name of Object.keys(sum) as (keyof GatherCounts)[]) sum[name] += counts[name];
    }
    return sum;
  }

  /** Answers from all partitions of the table, or from those named. */
  async ask(request: PartRequest, timeout_ms?: number): Promise<GatheredAnswer | RefusedQuery> {
    const { places } = this.#options;
    const stage = places.stageOf(request.table);
    if (stage === undefined) {
      const message = `The topology "${this.#options.topology}" has no table "${request.table}".`;
      return { ok: false, reason: 'no_such_table', message };
    }
    const all = places.partitionsOf(stage);
    const wanted = request.partitions ?? all;
    const unknown = wanted.filter((partition) => !all.includes(partition));
    if (unknown.length > 0) {
      const message = `There are partitions 0 to ${all.length - 1}; ${unknown.join(', ')} is none of them.`;
      return { ok: false, reason: 'bad_query', message };
    }
    return await this.#gathererOf(stage).gather([...new Set(wanted)], request, timeout_ms);
  }

  #gathererOf(stage: string): Gatherer {
    const known = this.#gatherers.get(stage);
    if (known !== undefined) return known;
    const { holders, limits, member: own } = this.#options;
    const gatherer = new Gatherer({
      holders: holders(stage),
      ask: async (member, request, timeout_ms, signal) =>
        // What lies in this process needs no way over the network.
        member === own
          ? await this.#parts(request)
          : await this.#askOther(member, request, timeout_ms, signal),
      ...(limits === undefined ? {} : { limits }),
    });
    this.#gatherers.set(stage, gatherer);
    return gatherer;
  }

  async #parts(request: PartRequest): Promise<readonly Part[]> {
    const { places, held, confirm } = this.#options;
    const stage = places.stageOf(request.table);
    if (stage !== undefined && request.require === 'owner') await confirm?.(stage, request.partitions);
    return stage === undefined ? [] : answerParts(held(stage), request);
  }

  async #askOther(
    member: string,
    request: PartRequest,
    timeout_ms: number,
    signal: AbortSignal,
  ): Promise<readonly Part[]> {
    const subject = memberSubject(this.#options.topology, member);
    const bytes = await this.#requests.request(subject, encodeJson(request), timeout_ms, signal);
    return readParts(bytes, member);
  }

  stop(): void {
    for (const served of this.#served) served.stop();
  }
}

/** Another process of this topology has written it. */
function readParts(bytes: Uint8Array, member: string): readonly Part[] {
  const reply = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly parts?: readonly Part[] };
  if (Array.isArray(reply.parts)) return reply.parts as readonly Part[];
  throw new MillraceError('bad_reply', `The process "${member}" has answered with what is no answer.`);
}
