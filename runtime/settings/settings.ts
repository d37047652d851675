import { resolve } from 'node:path';
import { z } from 'zod';
import {
  cubeOf,
  DEFAULT_OPTIONS,
  DEFAULT_ROW_CUBES,
  type DimensionPaths,
  ROW_DIMENSIONS,
  type RowDimension,
} from '../../analytics/index.ts';
import type { GapChoice } from '../../connectors/index.ts';
import { DEFAULT_SCAN_THREADS, MillraceError } from '../../engine/index.ts';
import { QUEUED_MAX_JOBS } from '../jobs/index.ts';
import { type ArchiveSettings, archiveFields, archiveOf, checkArchive } from './archive-settings.ts';
import { isDimensionName, MAX_CUSTOM_DIMENSIONS } from './dimension-names.ts';
import { checkJwt, type JwtSettings, jwtFields, jwtOf } from './jwt-settings.ts';
import { checkNats, type NatsSettings, natsFields, natsOf } from './nats-settings.ts';
import { checkOutbound, type OutboundSettings, outboundFields, outboundOf } from './outbound-settings.ts';
import { duration, integer } from './setting-fields.ts';
import { type TrafficSettings, trafficFields, trafficOf } from './traffic-settings.ts';
import { type UpkeepSettings, upkeepFields, upkeepOf } from './upkeep-settings.ts';

type CubeDefinition = ReturnType<typeof cubeOf>;

const MAX_EXTRA_CUBES = 16;
/** As the cubes operator has it. */
const MAX_CUBE_DIMENSIONS = 4;
const BUCKETS = ['1h', '1d'] as const;
const MIB = 1_048_576;

const cubes = z
  .string()
  .default('')
  .transform((text, context): readonly CubeDefinition[] => {
    const wanted = new Map(DEFAULT_ROW_CUBES.map((cube) => [cube.name, cube]));
    const lists = text.split(',').filter((list) => list.trim() !== '');
    if (lists.length > MAX_EXTRA_CUBES) context.addIssue(`names more than ${MAX_EXTRA_CUBES} cubes`);
    for (const list of lists) {
      const [dimensions = '', bucket = '1d'] = list.trim().split('@');
      const names = [...new Set(dimensions.split('+').map((name) => name.trim()))];
      const unknown = names.find((name) => !ROW_DIMENSIONS.includes(name as RowDimension));
      if (unknown !== undefined || !BUCKETS.includes(bucket as '1h')) {
        context.addIssue(
          'lists cubes as dimensions joined by "+", with @1h or @1d behind them, e.g. ' +
            `country+channel@1d; "${unknown ?? bucket}" is none of ` +
            `${[...ROW_DIMENSIONS, ...BUCKETS].join(', ')}`,
        );
        return z.NEVER;
      }
      const ordered = ROW_DIMENSIONS.filter((name) => names.includes(name));
      const cube = cubeOf(ordered, bucket as '1h' | '1d');
      if (cube.dimensions.length > MAX_CUBE_DIMENSIONS) {
        context.addIssue(`has a cube of more than ${MAX_CUBE_DIMENSIONS} dimensions: ${list.trim()}`);
        return z.NEVER;
      }
      wanted.set(cube.name, cube);
    }
    return [...wanted.values()];
  });

/** Names that an event's own fields do not have, in order: they are columns. */
const customDimensions = z
  .string()
  .default('')
  .transform((text, context): readonly string[] => {
    const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
    const bad = names.find((name) => !isDimensionName(name));
    if (bad !== undefined)
      context.addIssue(
        `lists names of letters, digits and "_" that no field of an event has; "${bad}" is none`,
      );
    if (names.length > MAX_CUSTOM_DIMENSIONS)
      context.addIssue(`lists more than ${MAX_CUSTOM_DIMENSIONS} dimensions`);
    return names;
  });

// The key goes into a header, so it has to be what a header can carry.
const adminKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 printable ASCII characters without spaces')
  .optional();

const signingSecret = z
  .string()
  .regex(/^[\x21-\x7e]{32,512}$/, 'must be 32 to 512 printable ASCII characters without spaces')
  .optional();

/** What every process has that runs a topology, whichever it is. */
const hostFields = {
  DATA_DIR: z.string().default('./data').describe('Where state, spool and jobs are kept'),
  ...natsFields,
  ON_GAP: z
    .enum(['stop', 'skip'], { error: 'must be stop or skip' })
    .default('stop')
    .describe(
      'Messages that the stream has removed before they were read (its limits, a purge): `stop` ends the task, ' +
        '`skip` goes on without them, counted',
    ),
  ALLOW_TOPOLOGY_CHANGE: z
    .enum(['0', '1'], { error: 'must be 1, for one start, or absent' })
    .default('0')
    .describe('1, for one start: gives up the state that a changed topology loses'),
};

const fields = z.object({
  ...hostFields,
  PORT: integer(8080, 0, 65_535).describe('TCP port of the API; 0 takes a free one'),
  HOST: z.string().default('127.0.0.1').describe('Address that the API listens on'),
  ADMIN_KEY: adminKey.describe('Presets the admin API key of tenant `default`'),
  KEY_SIGNING_SECRET: signingSecret.describe(
    'Signs the records of API keys; the same for all processes on one NATS. Without it: a file of DATA_DIR',
  ),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be one of trace, debug, info, warn, error, fatal, silent',
    })
    .default('info')
    .describe('Least severe level that is logged'),
  CUBES: cubes.describe(
    'More cubes beside the default ones, e.g. `country+payment_method@1h,sku+channel`; by day without @1h',
  ),
  CUBE_CELLS_PER_DAY: integer(DEFAULT_OPTIONS.cells_per_day, 1, 10_000_000).describe(
    'Cells of one cube, UTC day and tenant before new values go to `__other__`',
  ),
  DEDUP_MEMORY_IDS: integer(10_000_000, 1_000, 100_000_000).describe('Event ids kept in memory'),
  CUSTOM_DIMENSIONS: customDimensions.describe(
    'More dimensions, by the names of members of an event or of its `data`, e.g. `loyalty_tier,store`',
  ),
  RETENTION_DAYS: integer(0, 0, 36_500).describe(
    'Whole UTC days of event time that are kept behind the watermark; 0: everything is',
  ),
  LOG_MAX_BYTES: integer(0, 0, Number.MAX_SAFE_INTEGER).describe(
    'Bytes of one tenant in the event log, about; beyond them its oldest UTC days go. 0: no limit',
  ),
  ALLOWED_OUT_OF_ORDERNESS: duration('30s', 7 * 86_400_000).describe(
    'How far the watermark stays behind the newest event time',
  ),
  ...trafficFields,
  PAGE_CHECK_INTERVAL: duration('10m', 7 * 86_400_000).describe(
    'How often the pages of the state are gone through while it is served; 0s: never',
  ),
  SCAN_THREADS: integer(DEFAULT_SCAN_THREADS, 1, 64).describe(
    'Threads that run queries which are too dear for the API thread',
  ),
  BACKFILL_SHARE: z.coerce
    .number({ error: 'must be a number from 0.05 to 1' })
    .min(0.05, 'must be a number from 0.05 to 1')
    .max(1, 'must be a number from 0.05 to 1')
    .default(1 / 3)
    .describe(
      'Of one core, what a backfill may take while events or requests come in; a whole one otherwise',
    ),
  GENERATIONS_KEPT: integer(1, 0, 100).describe(
    'Former generations of the state that backfills keep, to go back to; each takes the disk of a state',
  ),
  JOBS_MAX_QUEUED: integer(QUEUED_MAX_JOBS, 1, 10_000).describe(
    'Jobs of one lane and tenant that wait for their turn or are paused',
  ),
  JOB_FILE_MAX_BYTES: integer(4_096 * MIB, 1_024, 1_048_576 * MIB).describe(
    'Size of one file that a job writes',
  ),
  JOB_FILES_MAX_BYTES: integer(20_480 * MIB, 1_024, 1_048_576 * MIB).describe(
    'Size of all files of jobs on disk',
  ),
  AUDIT_MAX_AGE: duration('400d', 36_500 * 86_400_000).describe(
    'How long entries of the audit log are kept, where its stream is made',
  ),
  AUDIT_MAX_BYTES: integer(2_048 * MIB, MIB, 1_048_576 * MIB).describe(
    'Size of the audit log, where its stream is made; beyond it the oldest entries go',
  ),
  ...archiveFields,
  ...upkeepFields,
  ...outboundFields,
  ...jwtFields,
});

/** Every setting, by its environment variable. */
export const settingsSchema = fields
  .superRefine(checkJwt)
  .superRefine(checkNats)
  .superRefine(checkOutbound)
  .superRefine(checkArchive);

/** The settings of a process that runs a topology, whichever it is. */
export interface HostSettings extends NatsSettings {
  /** Absolute. */
  readonly dataDir: string;
  readonly natsServerBin: string | undefined;
  /** What becomes of messages that the stream has removed unread. */
  readonly onGap: GapChoice;
  /** For one start: state that a changed topology loses is deleted. */
  readonly allowTopologyChange: boolean;
}

/** The settings of the service, checked. Durations are in ms, sizes in bytes. */
export interface Settings extends HostSettings, TrafficSettings {
  readonly port: number;
  readonly host: string;
  readonly adminKey: string | undefined;
  /** Undefined: one of the data folder. */
  readonly keySigningSecret: string | undefined;
  readonly logLevel: z.infer<typeof settingsSchema>['LOG_LEVEL'];
  /** The default cubes and the extra ones. */
  readonly cubes: readonly CubeDefinition[];
  readonly cubeCellsPerDay: number;
  readonly dedupMemoryIds: number;
  /** Names of declared dimensions, in the order of their columns. */
  readonly customDimensions: readonly string[];
  /** Of dimensions that tenants define: where those lie that are not the member of their name. */
  readonly dimensionPaths: DimensionPaths;
  /** Undefined: events are kept for ever. */
  readonly retentionDays: number | undefined;
  /** Of a tenant in the event log; undefined: no limit. */
  readonly log_max_bytes: number | undefined;
  readonly allowedOutOfOrderness_ms: number;
  readonly scanThreads: number;
  /** 0: never. */
  readonly pageCheckInterval_ms: number;
  readonly backfill: {
    /** Of one core, while live traffic waits. */
    readonly share: number;
    /** Former generations that stay. */
    readonly kept_max_generations: number;
  };
  readonly jobs: {
    readonly queued_max: number;
    readonly file_max_bytes: number;
    readonly files_max_bytes: number;
  };
  /** Where events go that leave the stream. */
  readonly archive: ArchiveSettings;
  readonly upkeep: UpkeepSettings;
  /** Of the audit log's stream, where it is made. */
  readonly audit: { readonly max_age_ms: number; readonly max_bytes: number };
  /** What is told to the outside, and with what. */
  readonly outbound: OutboundSettings;
  /** Undefined: only API keys are accepted. */
  readonly jwt: JwtSettings | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

function parsed<T extends z.ZodObject>(schema: T, env: Env): z.output<T> {
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, env[name]?.trim() === '' ? undefined : env[name]?.trim()]),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const sentences = result.error.issues.map(({ path, message }) => `${path.join('.')} ${message}.`);
  throw new MillraceError('bad_setting', `Bad setting: ${sentences.join(' ')} Correct it and start again.`);
}

const hostFieldsSchema = z.object(hostFields);
const hostSchema = hostFieldsSchema.superRefine(checkNats);

function hostSettings(values: z.output<typeof hostFieldsSchema>): HostSettings {
  return {
    dataDir: resolve(values.DATA_DIR),
    ...natsOf(values),
    natsServerBin: values.NATS_SERVER_BIN,
    onGap: values.ON_GAP,
    allowTopologyChange: values.ALLOW_TOPOLOGY_CHANGE === '1',
  };
}

/** Reads what `start --topology` and the commands need of the settings, as `readSettings` does. */
export function readHostSettings(env: Env): HostSettings {
  return hostSettings(parsed(hostSchema, env));
}

/**
 * Reads the settings from the environment; an empty variable counts as absent. Throws `bad_setting`
 * with a sentence that names the variable and what it takes. Values are not repeated: some are secret.
 */
export function readSettings(env: Env): Settings {
  const s = parsed(settingsSchema, env);
  return {
    ...hostSettings(s),
    port: s.PORT,
    host: s.HOST,
    adminKey: s.ADMIN_KEY,
    keySigningSecret: s.KEY_SIGNING_SECRET,
    logLevel: s.LOG_LEVEL,
    cubes: s.CUBES,
    cubeCellsPerDay: s.CUBE_CELLS_PER_DAY,
    dedupMemoryIds: s.DEDUP_MEMORY_IDS,
    customDimensions: s.CUSTOM_DIMENSIONS,
    dimensionPaths: {},
    retentionDays: s.RETENTION_DAYS === 0 ? undefined : s.RETENTION_DAYS,
    log_max_bytes: s.LOG_MAX_BYTES === 0 ? undefined : s.LOG_MAX_BYTES,
    allowedOutOfOrderness_ms: s.ALLOWED_OUT_OF_ORDERNESS,
    ...trafficOf(s),
    scanThreads: s.SCAN_THREADS,
    pageCheckInterval_ms: s.PAGE_CHECK_INTERVAL,
    backfill: { share: s.BACKFILL_SHARE, kept_max_generations: s.GENERATIONS_KEPT },
    jobs: {
      queued_max: s.JOBS_MAX_QUEUED,
      file_max_bytes: s.JOB_FILE_MAX_BYTES,
      files_max_bytes: s.JOB_FILES_MAX_BYTES,
    },
    archive: archiveOf(s, resolve(s.DATA_DIR), outboundOf(s).s3),
    upkeep: upkeepOf(s),
    audit: { max_age_ms: s.AUDIT_MAX_AGE, max_bytes: s.AUDIT_MAX_BYTES },
    outbound: outboundOf(s),
    jwt: jwtOf(s),
  };
}
