import { intCodec, mapTable, type OperatorContext, stringKey } from '../engine/index.ts';
import type { OutputConfig } from './to-jetstream.ts';

/** What could not be sent because its subject, id or a header's name is none. */
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

const NEXT = 'next';

/** Gives items to the outbox, with ids; false for one whose subject or, where it is `strict`, id or header name is none. */
export function oweBy<A>(
  context: Pick<
    OperatorContext<OutputConfig<A>, OutputTables, never, RefusedOutput<A>>,
    'name' | 'partition' | 'state' | 'config' | 'send'
  >,
  subjectOf: (item: A) => string,
  order: { readonly unordered?: true } = {},
  strict = false,
): (item: A) => boolean {
  const { name, partition, send } = context;
  const { encode = (item: A) => JSON.stringify(item), headers, idOf } = context.config;
  const counter = context.state.counter.scope('');
  return (item) => {
    const subject = subjectOf(item);
    if (!isSubject(subject)) return false;
    const named = headers?.(item) ?? {};
    if (strict && !Object.keys(named).every(isHeaderName)) return false;
    let id: string;
    if (idOf === undefined) {
      const number = counter.get(NEXT) ?? 0;
      counter.set(NEXT, number + 1);
      id = `${name}-${partition}-${number}`;
    } else id = idOf(item);
    // A client throws at what no header can hold, each time that it is tried.
    if (strict && !isMessageId(id)) return false;
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
