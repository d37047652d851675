import type { Logger } from 'pino';
import type {
  CellsOfInterest,
  FieldRules,
  FinderParts,
  PayloadSource,
  StoredMessage,
} from '../../analytics/index.ts';
import type {
  Clock,
  KeyValueStore,
  KvReader,
  MessageQueue,
  MetricSample,
  ObjectStore,
  QueryExecutor,
  TopologyDescription,
} from '../../engine/index.ts';
import type {
  ArchiveKeeper,
  BuiltGeneration,
  Cause,
  ConnectorPorts,
  Generations,
  KeyTrust,
  OutboundPorts,
  RecountOutcome,
  RecountRequest,
  Settings,
} from '../../runtime/index.ts';

/** The state that answers are read from: one generation and its committed snapshots. */
export interface StateReader {
  readonly generation: number;
  readonly reader: KvReader;
  /** Runs queries on this generation; its threads end with it. */
  readonly queries?: QueryExecutor;
}

export interface EventMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** For the stream's own duplicate window. */
  readonly id?: string;
  /** Of the trace that the request is part of. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EventPublisher {
  /**
   * Resolves once the stream has stored all of them, with their sequences in the order given, and of which stream of the
   * name they are where that is known. Throws a
   * retriable MillraceError when that is not known; some may be stored then. A repeat is harmless.
   */
  publishAll(
    messages: readonly EventMessage[],
  ): Promise<{ readonly sequences: readonly number[]; readonly incarnation?: string }>;
}

/** Where a stream ends. */
export interface StreamEnd {
  /** Of its newest message. */
  readonly sequence: number;
  /** Changes when the stream is deleted and made again. */
  readonly incarnation: string;
}

export interface StreamHead {
  /** Asks the server where the stream ends. Throws a retriable MillraceError when it is away. */
  head(): Promise<StreamEnd>;
  /** The newest end that the server has told the pipeline of, and when, ms of `monotonicNow`. Never blocks. */
  headHint(): { readonly sequence: number; readonly heard_at_ms: number } | undefined;
}

export interface PipelineStatus {
  readonly state: 'starting' | 'running' | 'restarting' | 'failed' | 'stopped';
  readonly error?: { readonly code: string; readonly message: string };
  /** When it entered the state. */
  readonly since_ms: number;
  readonly metrics: readonly MetricSample[];
  readonly nats: { readonly connected: boolean; readonly url?: string };
  readonly topology: TopologyDescription;
  /** The topology as a Mermaid flowchart. */
  readonly mermaid: string;
}

/** The stream of what was told of anomalies. */
export interface AnomalyFeed {
  /** Sequence of its newest message; 0: there is none. Throws a retriable MillraceError when the server is away. */
  last(): Promise<number>;
  /** The first message of a tenant behind a sequence, when it is there. Rejects with the signal's reason. */
  next(
    tenant: string,
    after: number,
    signal: AbortSignal,
  ): Promise<{ readonly sequence: number; readonly data: Uint8Array }>;
  /** The newest message of a subject; undefined: there is none. Throws a retriable MillraceError. */
  latest(subject: string): Promise<Uint8Array | undefined>;
  /** Resolves when the stream has stored it. Throws a retriable MillraceError when that is not known. */
  publish(message: EventMessage): Promise<void>;
}

/** A message of the stream of dead letters. */
export interface LetterMessage extends StoredMessage {
  /** When the stream stored it, ms; absent where a header says it. */
  readonly stored_ms?: number;
}

/** What could not be processed, and what became of it. */
export interface DeadLetterPort {
  /** The stream of dead letters. Throws a retriable MillraceError when it cannot be reached. */
  readonly letters: {
    fetch(
      sequences: readonly number[],
      signal: AbortSignal,
    ): Promise<ReadonlyMap<number, LetterMessage | null>>;
    read(
      from: number,
      to: number,
      tenant: string | undefined,
      signal: AbortSignal,
    ): AsyncIterable<LetterMessage>;
    /** The first sequence that the stream still has. */
    firstSequence(): Promise<number>;
  };
  end(): Promise<StreamEnd>;
  /** The stream of events, for what dead letters hold only the beginning of. */
  readonly originals: Pick<PayloadSource, 'fetch'>;
  /** Which of them are resolved: a bucket with history 1 and no TTL. */
  readonly marks: KeyValueStore;
}

/** Deletes messages of a stream. */
export interface MessageEraser {
  /** False where the stream does not have it. Throws a retriable MillraceError when the server is away. */
  erase(sequence: number): Promise<boolean>;
}

/** A stream whose messages can be found and deleted. */
export interface ErasableStream extends MessageEraser {
  /** What the stream has of a tenant from one sequence to another. Throws as `DeadLetterPort.letters` does. */
  read(from: number, to: number, tenant: string, signal: AbortSignal): AsyncIterable<StoredMessage>;
  /** The first sequence that the stream still has. */
  firstSequence(): Promise<number>;
  end(): Promise<StreamEnd>;
}

/** What was told to the outside and to people, and is kept: notices, in-app notifications, what sinks told. */
export type ToldStreams = Readonly<Record<'notices' | 'in_app' | 'sinks', ErasableStream>>;

/** Where sinks send to, beside files. */
export interface SinkPorts {
  /** Resolves when the stream SINKS has stored them. Throws a retriable MillraceError when that is not known. */
  publish(messages: readonly EventMessage[]): Promise<unknown>;
  /** `config` is that of a Kafka connector, its secrets readable. Resolves when the topic has all of them. */
  kafka(
    config: unknown,
    topic: string,
    records: AsyncIterable<
      readonly {
        readonly key: string;
        readonly value: string;
        readonly headers: Readonly<Record<string, string>>;
      }[]
    >,
  ): Promise<void>;
}

/** The bucket in which versions kept API keys that did not have them among the definitions. */
export const FORMER_KEYS_BUCKET = 'millrace-keys';

/** Everything that the API needs from outside, handed in by the composition root. */
export interface ApiPorts {
  /** As the current generation of the state has them: it may have options of its own. */
  readonly settings: Settings;
  readonly clock: Clock;
  /** The clock of `headHint`, ms, which nobody sets; `monotonicNow` by default. */
  monotonic?(): number;
  readonly log: Logger;
  /** The state as it is now; undefined before it can be read. */
  reader(): StateReader | undefined;
  /** The event log and the original events, as they are now; undefined before they can be read. */
  finder?(): FinderParts | undefined;
  /** What the orders of a tenant may have of its own: the service sets it. */
  fieldRules?(tenant: string): FieldRules | undefined;
  readonly events: EventPublisher;
  readonly stream: StreamHead;
  /** The bucket of a version that kept API keys in one of their own; undefined: there is none. */
  readonly formerKeys: KeyValueStore | undefined;
  readonly keyTrust: KeyTrust;
  /** What users define, and API keys: a bucket with history 1 and no TTL. */
  readonly definitions: KeyValueStore;
  /** What models were trained to. */
  readonly models: ObjectStore;
  /** Answers by idempotency key: a bucket whose TTL is IDEMPOTENCY_TTL_MS. */
  readonly idempotency: KeyValueStore;
  /** Jobs, and by their ids the items that they could not take: two buckets with history 1 and no TTL. */
  readonly jobs: { readonly records: KeyValueStore; readonly errors: KeyValueStore };
  /** The stream of the audit log. */
  readonly audit: Pick<MessageQueue, 'append' | 'newest' | 'oldest'>;
  /** What is told to the outside, and with what. */
  readonly outbound: OutboundPorts;
  /** What connectors read with. */
  readonly connectors: ConnectorPorts;
  /** Builds the state anew; undefined where this process cannot. */
  readonly backfill?: BackfillPort;
  /** Archives events that are old; undefined where this process cannot. */
  readonly archive?: Pick<ArchiveKeeper, 'run' | 'status' | 'erase' | 'samples'>;
  /** Deletes messages, their bytes overwritten; undefined where this process cannot. */
  readonly eraser?: {
    readonly events: MessageEraser;
    readonly letters: MessageEraser;
    readonly told: ToldStreams;
  };
  /** What was told of anomalies; undefined where this process cannot read it. */
  readonly anomalies?: AnomalyFeed;
  /** What could not be processed; undefined where this process cannot read it. */
  readonly deadLetters?: DeadLetterPort;
  /** Where sinks send to; undefined where this process cannot. */
  readonly sinks?: SinkPorts;
  pipeline(): PipelineStatus;
  /** Builds another generation of the state, where there is a task that it can take the place of. */
  readonly generations?: Pick<
    Generations,
    'build' | 'interrupted' | 'discard' | 'settings' | 'declaredDimensions'
  >;
  /** Why nothing comes out of the pipeline; empty where all is well. */
  why?(): Promise<readonly Cause[]>;
}

/** What a backfill would read and write. */
export interface BackfillPlan {
  /** Messages of the stream that are read. */
  readonly messages: number;
  /** Of the stream. */
  readonly read_bytes: number;
  /** Of the state that is current now: about as much more is needed while two lie there. */
  readonly state_bytes: number;
  /** Messages a second: of the last build of this process where there was one. */
  readonly rate_per_s: number;
  readonly is_rate_measured: boolean;
}

/** Builds the state anew, beside the live one, and changes which generation of it is current. */
export interface BackfillPort extends Pick<Generations, 'list' | 'activate' | 'remove' | 'shrink'> {
  /**
   * Resolves when the generation that it built is current, or ready where it is not to become current. Throws the
   * signal's reason when that is aborted. What it built then stays, as after a crash: the same reason goes on with it,
   * until `discard`.
   */
  build(options: {
    readonly reason: string;
    readonly signal: AbortSignal;
    /** It becomes current when it has caught up. */
    readonly isActivated: boolean;
    /** Cells that are compared. */
    readonly cells: CellsOfInterest;
    /** Messages of the stream that are applied, and how many there are. */
    onProgress(done: number, total: number): void;
  }): Promise<Pick<BuiltGeneration, 'generation' | 'replaced' | 'isActive' | 'different' | 'cells'>>;
  /** Removes what an interrupted build of that reason has left. */
  discard(reason: string): Promise<void>;
  plan(): Promise<BackfillPlan>;
  /** Counts cells of a tenant anew from the log, and puts right those that are wrong unless it is `isDry`. */
  recount(options: RecountRequest): Promise<RecountOutcome>;
}

/** How long the first answer to an `Idempotency-Key` is kept. */
export const IDEMPOTENCY_TTL_MS = 24 * 60 * 60 * 1_000;
