import { intCodec, mapTable, type OperatorContext, stringKey } from '../../engine/index.ts';
import type { OutputConfig } from './to-jetstream.ts';

/** What could not be sent because its subject, its id or a header is none. */
export type RefusedOutput<A> = { readonly refused: A };

export const outputTables = () => ({ counter: mapTable({ key: stringKey, value: intCodec, version: 1 }) });
export type OutputTables = ReturnType<typeof outputTables>;

/** One subject to publish to: non-empty tokens between dots, no white space, no wildcards. */
export function isSubject(subject: string): boolean {
  return /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject);
}

/** An id that fits into a header, as JetStream has it. */
function isMessageId(id: string): boolean {
  return id !== '' && !/[\r\n]/.test(id);
}

/** Printable ASCII without colons (RFC 7230 allows fewer, NATS these). */
function isHeaderName(name: string): boolean {
  return /^[!-9;-~]+$/.test(name);
}

/** Types say so, but items often come out of JSON: what is no text would fail in the commit, and again each time. */
function isText(value: unknown): value is string {
  return typeof value === 'string';
}

const NEXT = 'next';

/**
 * Gives items to the outbox, with ids; false for one whose subject, id or headers are no text or, where it is `strict`,
 * cannot be those of a message.
 */
export function oweBy<A>(
  context: Pick<
    OperatorContext<OutputConfig<A>, OutputTables, never, RefusedOutput<A>>,
    'name' | 'topology' | 'partition' | 'state' | 'config' | 'send'
  >,
  subjectOf: (item: A) => string,
  order: { readonly unordered?: true } = {},
  strict = false,
): (item: A) => boolean {
  const { name, topology, partition, send } = context;
  const { encode = (item: A) => JSON.stringify(item), headers, idOf } = context.config;
  const counter = context.state.counter.scope('');
  return (item) => {
    const subject = subjectOf(item);
    if (!isText(subject) || !isSubject(subject)) return false;
    const named = headers?.(item) ?? {};
    if (!Object.values(named).every(isText)) return false;
    if (strict && !Object.keys(named).every(isHeaderName)) return false;
    let id: string;
    if (idOf === undefined) {
      const number = counter.get(NEXT) ?? 0;
      counter.set(NEXT, number + 1);
      id = `${topology}-${name}-${partition}-${number}`;
    } else id = idOf(item);
    // A client throws at what no header can hold, each time that it is tried.
    if (!isText(id) || (strict && !isMessageId(id))) return false;
    const payload = encode(item);
    send({
      id,
      subject,
      headers: named,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      ...order,
    });
    return true;
  };
}
