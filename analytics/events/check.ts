import type { FieldRules } from '../custom-fields/index.ts';
import { amendmentProblem, isOfErasure } from './amendment.ts';
import { isObject, type Members, own } from './cloud-event.ts';
import {
  type EventInput,
  eventSchema,
  MAX_FUTURE_MS,
  MAX_NESTING,
  MIN_EVENT_TIME_MS,
  TIME_ALIASES,
  TIME_FORMS,
} from './event-schema.ts';
import { T, typeCode } from './event-types.ts';
import { isDeeper } from './exact-json.ts';
import type { RejectCode, Rejection } from './rejection.ts';
import { parseEventTime } from './rfc3339.ts';

export interface FieldIssue {
  /** Members and places joined by dots; '' for the whole event. */
  readonly path: string;
  readonly message: string;
}

export interface GoodEvent {
  readonly ok: true;
  /** With `time` under that name, whatever alias it came under. */
  readonly members: Members;
  readonly input: EventInput;
  readonly time_ms: number;
}

export interface BadEvent extends Rejection {
  readonly ok: false;
  readonly members: Members | undefined;
  /** At least one. */
  readonly issues: readonly FieldIssue[];
}

export interface TimeLimits {
  readonly now_ms: number;
  /** Events before it are behind the retention; -Infinity where nothing is forgotten. */
  readonly cut_ms: number;
  /** What the tenant's orders may have of its own; undefined: anything. */
  readonly fields?: FieldRules | undefined;
}

const REQUIRED = ['event_id', 'type', 'time'] as const;
const encoder = new TextEncoder();

/**
 * The one check of an event, for both ways in: a flat event (see `flatten`) against the schema and the rules of
 * time. `ColumnDecoder`'s fast path takes only what passes here.
 */
export function checkEventMembers(value: unknown, limits: TimeLimits): GoodEvent | BadEvent {
  if (!isObject(value)) return bad(undefined, 'not_an_object', '', 'An event is a JSON object');
  if (isDeeper(value, MAX_NESTING))
    return bad(undefined, 'bad_field', '', `nested more than ${MAX_NESTING} levels deep`);
  const members = withTime(value);
  const missing = REQUIRED.filter((name) => own(members, name) == null);
  if (missing.length > 0) return missingFields(members, missing);
  const parsed = eventSchema.safeParse(members);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => ({
      path: path.map(String).join('.'),
      message,
    }));
    const { path, message } = issues[0] ?? { path: '', message: 'malformed' };
    return { ok: false, members, code: 'bad_field', detail: `${path}: ${message}`, issues };
  }
  const amendment = amendmentProblem(members);
  if (amendment !== undefined) return bad(members, 'bad_field', amendment.path, amendment.message);
  const { time } = parsed.data;
  const bytes = encoder.encode(time);
  const time_ms = parseEventTime(bytes, 0, bytes.length);
  const problem = timeProblem(time_ms, limits, time);
  if (problem !== undefined) return bad(members, problem[0], 'time', problem[1]);
  const wrong = fieldProblem(members, parsed.data.type, limits);
  if (wrong !== undefined) return bad(members, 'bad_custom_field', wrong.path, wrong.message);
  return { ok: true, members, input: parsed.data, time_ms };
}

function fieldProblem(
  members: Members,
  type: string,
  { fields, now_ms }: TimeLimits,
): FieldIssue | undefined {
  if (fields === undefined || now_ms < fields.since_ms || isOfErasure(members)) return undefined;
  const kind = typeCode(type);
  if (kind !== T['order.created'] && kind !== T['order.updated']) return undefined;
  return fields.problemOf(members, kind === T['order.created']);
}

function missingFields(members: Members, missing: readonly string[]): BadEvent {
  const issues = missing.map((path) => ({
    path,
    message:
      path === 'time' ? `is required: ${TIME_FORMS}; also as ${TIME_ALIASES.join(', ')}` : 'is required',
  }));
  return { ok: false, members, code: 'missing_field', detail: `${missing[0]}: required`, issues };
}

function bad(members: Members | undefined, code: RejectCode, path: string, message: string): BadEvent {
  const detail = path === '' ? message : `${path}: ${message}`;
  return { ok: false, members, code, detail, issues: [{ path, message }] };
}

/** The members with an alias of `time` in its place, where `time` itself is not there. */
function withTime(members: Members): Members {
  if (own(members, 'time') != null) return members;
  const alias = TIME_ALIASES.find((name) => own(members, name) != null);
  if (alias === undefined) return members;
  const renamed: Record<string, unknown> = Object.assign(Object.create(null), members);
  delete renamed[alias];
  renamed.time = members[alias];
  return renamed;
}

/** Whether the fast path may take a time. */
export function isGoodTime(time_ms: number, { now_ms, cut_ms }: TimeLimits): boolean {
  return time_ms >= MIN_EVENT_TIME_MS && time_ms >= cut_ms && time_ms <= now_ms + MAX_FUTURE_MS;
}

function timeProblem(
  time_ms: number,
  limits: TimeLimits,
  text: string,
): readonly [code: RejectCode, message: string] | undefined {
  if (isGoodTime(time_ms, limits)) return undefined;
  if (Number.isNaN(time_ms)) return ['bad_time', `${JSON.stringify(text)} is not ${TIME_FORMS}`];
  if (time_ms > limits.now_ms + MAX_FUTURE_MS)
    return ['time_in_future', `${text} is more than 24 h ahead of the clock`];
  if (time_ms < MIN_EVENT_TIME_MS) return ['time_too_old', `${text} is before 2000-01-01`];
  const cut = new Date(limits.cut_ms).toISOString();
  return ['behind_retention', `${text} is before ${cut}: what is older is not kept`];
}
