import {
  EVENTS_STREAM,
  type NatsLink,
  openManager,
  StreamPayloads,
  streamFacts,
} from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import { type Finding, failed, ok } from './findings.ts';

/** Messages that are looked at, the newest. */
const LOOKED_AT = 100;
const LOOK_MS = 10_000;
const NANOS_PER_S = 1e9;
/** A window in which a guess hardly meets what it is for, s. */
const SHORT_S = 1;
/** As what the service publishes has them: made with a secret. */
const SECRET_ID = /^[0-9a-f]{64}$/;

/**
 * Whether publishers give messages ids of their own, which others could use first: the stream does not store what has an
 * id that it knows, whoever sent that. undefined where there is no stream, or no such id.
 */
export async function messageIdFinding(link: NatsLink): Promise<Finding | undefined> {
  const { name } = EVENTS_STREAM;
  const manager = await openManager(link);
  try {
    const { firstSequence, lastSequence } = await streamFacts(manager, name);
    const { config } = await manager.streams.info(name);
    const window_s = Math.round(Number(config.duplicate_window) / NANOS_PER_S);
    const tenants = new Set<string>();
    let found = 0;
    const first = Math.max(firstSequence, lastSequence - LOOKED_AT + 1);
    // It takes whatever publishers have written into their headers.
    const stored = new StreamPayloads({ link, stream: name, subjectOf: (tenant) => `events.${tenant}.>` });
    if (first <= lastSequence) {
      for await (const message of stored.read(first, lastSequence, undefined, AbortSignal.timeout(LOOK_MS))) {
        const id = message.header('Nats-Msg-Id') ?? '';
        if (id === '' || SECRET_ID.test(id)) continue;
        found++;
        tenants.add(message.subject.split('.')[1] ?? '');
      }
    }
    if (found === 0) return undefined;
    const window = window_s >= 60 ? `${Math.round(window_s / 60)} min` : `${window_s} s`;
    const what = `${name} knows a Nats-Msg-Id for ${window}, whoever sent it; ${found} of its newest ${LOOKED_AT} messages, of ${tenants.size} tenants, have one of their own`;
    return ok(
      'message ids',
      tenants.size > 1 && window_s > SHORT_S
        ? `${what}: one that a tenant knows or guesses keeps another's event from being stored. Leave the header out (docs/access.md)`
        : what,
    );
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return code === 'stream_missing' ? undefined : failed('message ids', message);
  }
}
