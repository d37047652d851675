import { intCodec, mapTable, type OperatorContext, stringKey } from '../../engine/index.ts';
import type { OutputConfig } from './to-jetstream.ts';

/** What could not be sent because its subject, its id or a header is none. */
export type RefusedOutput<A> = { readonly refused: A };

/** Earlier versions counted their messages here for ids. A table that went would be state given up. */
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

/** What of a message is no payload; a subject has no white space in it. */
function textOf(subject: string, headers: Readonly<Record<string, string>>): string {
  for (const _ in headers) return `${subject} ${JSON.stringify(headers)}`;
  return subject;
}

/**
 * Gives items to the outbox, with ids; false for one whose subject, id or headers are no text or, where it is `strict`,
 * cannot be those of a message.
 */
export function oweBy<A>(
  context: Pick<
    OperatorContext<OutputConfig<A>, OutputTables, never, RefusedOutput<A>>,
    'config' | 'send' | 'outputId'
  >,
  subjectOf: (item: A) => string,
  order: { readonly unordered?: true } = {},
  strict = false,
): (item: A) => boolean {
  const { send, outputId } = context;
  const { encode = (item: A) => JSON.stringify(item), headers, idOf } = context.config;
  return (item) => {
    const subject = subjectOf(item);
    if (!isText(subject) || !isSubject(subject)) return false;
    const named = headers?.(item) ?? {};
    if (!Object.values(named).every(isText)) return false;
    if (strict && !Object.keys(named).every(isHeaderName)) return false;
    const payload = idOf === undefined ? encode(item) : undefined;
    const id = payload === undefined ? idOf?.(item) : outputId(textOf(subject, named), payload);
    // A client throws at what no header can hold, each time that it is tried.
    if (!isText(id) || (strict && !isMessageId(id))) return false;
    const bytes = payload ?? encode(item);
    send({
      id,
      subject,
      headers: named,
      payload: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
      ...order,
    });
    return true;
  };
}
