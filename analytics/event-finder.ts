import type { QueryExecutor } from '../engine/index.ts';
import {
  eventCode,
  exactJsonText,
  flatten,
  hashId,
  idWords,
  normalType,
  partOf,
  splitBody,
  tenantSeed,
  valueOfPart,
} from './events/index.ts';
import type {
  DisplacedKind,
  EventTerms,
  FinderParts,
  PartReader,
  PayloadSource,
  SelectKind,
} from './events-query/index.ts';

const words = new Uint32Array(4);
const utf8 = new TextDecoder();
/** What could make a part mean more than its text says: a CloudEvent, also in escapes. */
const UNPLAIN = /specversion|\\u/;

/** The names and hashes under which the log knows what a client asks for. */
export const EVENT_TERMS: EventTerms = {
  typeOf: normalType,
  idHash: idWords,
  eventCode: (tenant, id) => {
    hashId(id, tenantSeed(tenant), words);
    return eventCode((words[0] as number) | 0);
  },
};

/** The parts of a message as a user sees them: the flat event, a CloudEvent as the event that it stands for. */
export const readParts: PartReader = (message) => {
  const body = splitBody(message.data, message);
  return (part) => {
    const bytes = body === undefined ? undefined : partOf(message.data, body, part);
    if (body === undefined || bytes === undefined) return undefined;
    // A copy: the bytes may lie in memory that threads share.
    const text = utf8.decode(bytes.slice());
    if (body.form !== 'binary' && !UNPLAIN.test(text)) return text;
    const parsed = valueOfPart(message, bytes);
    return parsed.ok ? exactJsonText(flatten(parsed.value)) : undefined;
  };
};

/** What finds events: their places in the log by the executor, their JSON in the stream. */
export function eventFinder(
  executor: QueryExecutor,
  { events: kind, displaced }: { readonly events: SelectKind; readonly displaced: DisplacedKind },
  payloads: PayloadSource,
): FinderParts {
  return {
    selector: {
      select: async (scope, request, signal) => (await executor.run(kind, request, { scope, signal })).answer,
      plan: async (scope, request) => (await executor.plan(kind, request, { scope })).plan,
      displaced: async (scope, request, signal) =>
        (await executor.run(displaced, request, { scope, signal })).answer,
    },
    payloads,
    reader: readParts,
    terms: EVENT_TERMS,
  };
}
