import { createHash } from 'node:crypto';
import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from 'nats';
import { MillraceError, type StreamFacts } from '../../../engine/index.ts';
import { jetStreamOptions, placed, placementOf, type StreamPlacement } from './access.ts';
import type { NatsLink } from './connection.ts';
import {
  describe,
  isNameInUse,
  isNoRoom,
  isNotPlaced,
  isRefusedRequest,
  isStreamNotFound,
  isSubjectsOverlap,
} from './nats-errors.ts';
import { addStream, smallerText } from './stream-room.ts';
import { covers, requirePatterns, requireStreamName } from './subjects.ts';

/** A stream as it has to be: it is made so where it is not there. */
export interface StreamSpec extends Pick<StreamPlacement, 'placement'> {
  readonly name: string;
  readonly subjects: readonly string[];
  /** Age after which messages go, ms; 0: never. */
  readonly max_age_ms: number;
  /** Size above which the oldest messages go, bytes; -1: none. */
  readonly max_bytes: number;
  /** How long the server knows a message id, ms. */
  readonly duplicate_window_ms: number;
  readonly replicas: number;
}

const DAY_MS = 86_400_000;

export const EVENTS_STREAM: StreamSpec = {
  name: 'EVENTS',
  subjects: ['events.>'],
  max_age_ms: 400 * DAY_MS,
  max_bytes: -1,
  duplicate_window_ms: 120_000,
  replicas: 1,
};

export const DEADLETTER_STREAM: StreamSpec = {
  name: 'DEADLETTER',
  subjects: ['deadletter.>'],
  max_age_ms: 90 * DAY_MS,
  max_bytes: 1024 ** 3,
  duplicate_window_ms: 120_000,
  replicas: 1,
};

/** What is told of anomalies, as `anomalies.<tenant>.<metric>.<severity>`. */
export const ANOMALIES_STREAM: StreamSpec = {
  name: 'ANOMALIES',
  subjects: ['anomalies.>'],
  max_age_ms: 400 * DAY_MS,
  max_bytes: 1024 ** 3,
  // Ids are deterministic: a state that is built anew tells nobody twice of the last day.
  duplicate_window_ms: DAY_MS,
  replicas: 1,
};

export interface EnsureStreamsOptions {
  readonly events?: Partial<StreamSpec>;
  readonly deadletter?: Partial<StreamSpec>;
}

export interface EnsuredStreams {
  readonly events: StreamFacts;
  readonly deadletter: StreamFacts;
  /** What is set otherwise than the contract asks, in sentences; nothing of it stops the start. */
  readonly warnings: readonly string[];
}

/** Bound of one request to the JetStream API, ms. */
export const API_TIMEOUT_MS = 5_000;
const MINIMUM_SERVER = [2, 10] as const;

/**
 * The stream manager of a connection. Throws `nats_server_too_old` below 2.10 and `jetstream_disabled`
 * when the server or the account has no JetStream.
 */
export async function openManager(link: NatsLink): Promise<JetStreamManager> {
  const { info } = link.connection;
  // Not known while the connection is lost; what comes next says so.
  if (info !== undefined) checkServerVersion(info.version, link.url);
  try {
    return await jetstreamManager(link.connection, { ...jetStreamOptions(link), timeout: API_TIMEOUT_MS });
  } catch (error) {
    if (!describe(error).startsWith('JetStreamNotEnabled')) throw error;
    throw new MillraceError(
      'jetstream_disabled',
      `The NATS server at ${link.url} has no JetStream for this account. Start it with "-js", or enable it for the account.`,
      { cause: error, retriable: true },
    );
  }
}

/** Throws `nats_server_too_old` for a version below 2.10. */
export function checkServerVersion(version: string, url: string): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = MINIMUM_SERVER;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new MillraceError(
    'nats_server_too_old',
    `The NATS server at ${url} is version ${version}; ${MINIMUM_SERVER.join('.')} or newer is needed. ` +
      'Update it, or leave NATS_URL unset to run the embedded one.',
  );
}

/**
 * Creates the streams that are not there, and leaves those that are as they are: their limits are their
 * operator's business. Throws `stream_conflict` when an existing one would break the contract.
 */
export async function ensureStreams(
  link: NatsLink,
  options: EnsureStreamsOptions = {},
): Promise<EnsuredStreams> {
  const manager = await openManager(link);
  const events = placed(link, { ...EVENTS_STREAM, ...options.events });
  const deadletter = placed(link, { ...DEADLETTER_STREAM, ...options.deadletter });
  const warnings: string[] = [];
  const ensure = async (spec: StreamSpec): Promise<StreamFacts> => {
    const ensured = await ensureStream(manager, spec);
    warnings.push(...ensured.warnings);
    return ensured.facts;
  };
  return { events: await ensure(events), deadletter: await ensure(deadletter), warnings };
}

/**
 * One stream, created if it is not there. Throws `stream_conflict` when an existing one cannot be read from,
 * `bad_stream_name` and `bad_subject` for what no stream can have, and `stream_refused` where the server does not make it.
 */
export async function ensureStream(
  manager: JetStreamManager,
  spec: StreamSpec,
): Promise<{ readonly facts: StreamFacts; readonly warnings: readonly string[] }> {
  requireStreamName(spec.name);
  requirePatterns(`the stream "${spec.name}"`, spec.subjects);
  const info = await findOrCreate(manager, spec);
  return { facts: factsOf(info), warnings: checkStream(info.config, spec) };
}

/** As `spec` says, but of less bytes where the server has no room for so many. */
async function findOrCreate(manager: JetStreamManager, spec: StreamSpec): Promise<StreamInfo> {
  try {
    return await manager.streams.info(spec.name);
  } catch (error) {
    if (!isStreamNotFound(error)) throw error;
  }
  try {
    return await addStream(manager, {
      name: spec.name,
      subjects: [...spec.subjects],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_age: nanos(spec.max_age_ms),
      max_bytes: spec.max_bytes,
      duplicate_window: nanos(spec.duplicate_window_ms),
      num_replicas: spec.replicas,
      ...placementOf(spec),
      allow_direct: true,
    });
  } catch (error) {
    // Another process was faster; what it made is checked like any other.
    if (isNameInUse(error)) return await manager.streams.info(spec.name);
    if (isSubjectsOverlap(error)) {
      throw conflict(
        spec.name,
        `another stream already takes some of its subjects (${spec.subjects.join(', ')})`,
        error,
      );
    }
    if (isRefusedRequest(error) || isNoRoom(error) || isNotPlaced(error)) {
      throw new MillraceError(
        'stream_refused',
        `The server does not make the stream "${spec.name}" for ${spec.subjects.join(', ')}: ${describe(error)}. ` +
          'Correct its subjects or the limits of the account, or make it on the server.',
        { cause: error },
      );
    }
    throw error;
  }
}

/**
 * What `ensureStream` would find, without making anything: undefined where the stream is missing and can be made,
 * else its warnings. Throws `stream_conflict`, `bad_stream_name`, `bad_subject`.
 */
export async function inspectStream(
  manager: JetStreamManager,
  spec: StreamSpec,
): Promise<readonly string[] | undefined> {
  requireStreamName(spec.name);
  requirePatterns(`the stream "${spec.name}"`, spec.subjects);
  try {
    return checkStream((await manager.streams.info(spec.name)).config, spec);
  } catch (error) {
    if (!isStreamNotFound(error)) throw error;
  }
  for (const subject of spec.subjects) {
    const [taken] = await manager.streams.names(subject).next();
    if (taken !== undefined)
      throw conflict(spec.name, `stream "${taken}" already takes subjects of ${subject}`);
  }
  return undefined;
}

/** Throws where the contract cannot be kept; returns a sentence for what is merely risky. */
function checkStream(config: StreamConfig, spec: StreamSpec): string[] {
  const { name } = spec;
  const subjects = config.subjects ?? [];
  const missing = spec.subjects.filter((wanted) => !subjects.some((subject) => covers(subject, wanted)));
  if (missing.length > 0) {
    throw conflict(name, `it takes ${subjects.join(', ') || 'no subjects'}, not ${missing.join(', ')}`);
  }
  if (config.retention !== RetentionPolicy.Limits) {
    throw conflict(
      name,
      `its retention "${config.retention}" removes what was read, so nothing can be replayed`,
    );
  }
  const warnings: string[] = [];
  const warn = (what: string): void => void warnings.push(`Stream "${name}" ${what}`);
  if (config.storage === StorageType.Memory) {
    warn('is kept in memory: a restart of the server loses every event that is not applied yet.');
  }
  if (config.num_replicas < spec.replicas) {
    warn(
      `has ${config.num_replicas} replicas, and ${spec.replicas} are asked for: "nats stream edit" changes it.`,
    );
  }
  const smaller = smallerText(config, spec.max_bytes);
  if (smaller !== undefined) warnings.push(smaller);
  if (config.max_msgs_per_subject > 0) {
    warn(`keeps only ${config.max_msgs_per_subject} messages a subject: older ones go before they are read.`);
  }
  const wanted_ns = nanos(spec.max_age_ms);
  if (config.max_age > 0 && (wanted_ns === 0 || config.max_age < wanted_ns)) {
    const age_s = Math.round(config.max_age / 1e6 / 1000);
    warn(
      wanted_ns === 0
        ? `removes messages after ${age_s} s, and they were to be kept for ever: change its max_age to 0.`
        : `keeps messages for ${age_s} s, less than the ${spec.max_age_ms / 1000} s asked for.`,
    );
  }
  return warnings;
}

const conflict = (name: string, what: string, cause?: unknown): MillraceError =>
  new MillraceError(
    'stream_conflict',
    `Stream "${name}" cannot be used: ${what}. Change the stream on the server, or configure another name.`,
    { cause },
  );

/**
 * Creates a stream if it is not there, of less bytes where the server has no room for so many; false when it is there,
 * however it is set.
 */
export async function createStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<boolean> {
  try {
    await manager.streams.info(config.name);
    return false;
  } catch (error) {
    if (!isStreamNotFound(error)) throw error;
  }
  try {
    await addStream(manager, config);
    return true;
  } catch (error) {
    // Another process was faster.
    if (isNameInUse(error)) return false;
    throw error;
  }
}

/** What a source must know of its stream. Throws `stream_missing` when it is not there. */
export async function streamFacts(
  manager: JetStreamManager,
  stream: string,
  isPartition = false,
): Promise<StreamFacts> {
  try {
    const info = await manager.streams.info(stream);
    return isPartition ? { ...factsOf(info), layout: layoutOf(info.config) } : factsOf(info);
  } catch (error) {
    if (!isStreamNotFound(error)) throw error;
    throw new MillraceError(
      'stream_missing',
      `Stream "${stream}" is not on the server. Create it, restore it from its backup, or correct its name.`,
      { cause: error, retriable: true },
    );
  }
}

/** How long a server may take to say where a stream ends, ms. */
const END_TIMEOUT_MS = 3_000;

/**
 * Where a stream ends now. Throws `stream_missing`, and `stream_unavailable` when the server does not say it within 3 s;
 * both are retriable.
 */
export async function streamEnd(
  manager: JetStreamManager,
  stream: string,
): Promise<{ readonly sequence: number; readonly incarnation: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${END_TIMEOUT_MS} ms`)), END_TIMEOUT_MS);
  });
  try {
    const { lastSequence, incarnation } = await Promise.race([streamFacts(manager, stream), late]);
    return { sequence: lastSequence, incarnation };
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError(
      'stream_unavailable',
      `The NATS server does not say where stream "${stream}" ends (${describe(error)}). Ask again when it answers.`,
      { cause: error, retriable: true },
    );
  } finally {
    clearTimeout(timer);
  }
}

const HASH_CHARS = 16;

/** What tells one division of a stream into partitions from another: part of every position. */
export function layoutOf({ subject_transform: transform }: Pick<StreamConfig, 'subject_transform'>): string {
  const text = JSON.stringify([transform?.src ?? null, transform?.dest ?? null]);
  return createHash('sha256').update(text).digest('base64url').slice(0, HASH_CHARS);
}

function factsOf({ config, created, state }: StreamInfo): StreamFacts {
  return {
    stream: config.name,
    incarnation: created,
    // The server says 0 of a stream that never had a message.
    firstSequence: state.messages === 0 ? state.last_seq + 1 : state.first_seq,
    lastSequence: state.last_seq,
  };
}
