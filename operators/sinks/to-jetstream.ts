import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { isSubject, type OutputTables, outputTables, oweBy, type RefusedOutput } from './output.ts';
import type { SubjectTemplate } from './subject-of.ts';

export type { RefusedOutput } from './output.ts';

/** How an item becomes a message: its body, headers and id. What cannot be one goes to the side output `refused`. */
export interface OutputConfig<A> {
  /** By default the item as JSON. A string becomes UTF-8. */
  readonly encode?: (item: A) => Uint8Array | string;
  /** Names of printable ASCII without colons, values of one line; `Nats-Msg-Id` is the message's id and not for here. */
  readonly headers?: (item: A) => Readonly<Record<string, string>>;
  /**
   * The message's id, unique within the receiving stream: one line, not empty. By default it is made of what the item comes from
   * (topology and operator; stream, incarnation and sequence of its record; or operator, key and time or window of what
   * brought it) and of the content: the same in a replay or a second instance that reads the same, another one for an
   * instance that reads something else. Give one made of the item (an order number) where `encode` depends on the clock
   * or on chance.
   */
  readonly idOf?: (item: A) => string;
}

/** Configuration of `toJetStream`: where messages go, and in which order they are stored. */
export interface ToJetStreamConfig<A> extends OutputConfig<A> {
  /** A fixed one, one with parts of the item (`subjectOf`), or a function, of which nothing is known before items come. */
  readonly subject: string | SubjectTemplate<A> | ((item: A) => string);
  /**
   * The topology may read what it sends here: the operators before it see to it that this has an end (a number of
   * tries, say). Else a start refuses a subject that a source before it reads (`subject_loop`); default: false.
   */
  readonly feedback?: boolean;
  /**
   * `subject`, the default: messages of one subject are stored in the order of the items, one for each round
   * trip to the server. `none`: many are in flight at once, and one that has to be repeated may come after
   * later ones. Not remembered over a restart: what was owed then is sent in order.
   */
  readonly order?: 'subject' | 'none';
}

export const toJetStreamDoc: OperatorDoc = {
  kind: 'to-jetstream',
  summary: 'Each item as a message on a subject, exactly once for consumers that honour ids',
};

/**
 * A sink: each item becomes a message, sent after the commit and repeated under the same id until it is
 * acknowledged. Emits nothing. Throws `bad_subject` for a fixed subject that is none.
 */
export function toJetStream<A>(
  name: string,
  config: ToJetStreamConfig<A>,
): Operator<A, never, RefusedOutput<A>> {
  const { subject } = config;
  if (typeof subject === 'string' && !isSubject(subject)) {
    throw new MillraceError(
      'bad_subject',
      `"${subject}" is no subject to publish to: tokens between dots, no spaces, no wildcards.`,
    );
  }
  return make<A>()(name, config);
}

const make = <A>() =>
  defineOperator<A, never, ToJetStreamConfig<A>, OutputTables, RefusedOutput<A>>({
    kind: toJetStreamDoc.kind,
    summary: toJetStreamDoc.summary,
    state: outputTables,
    sides: ['refused'],
    sendsTo: ({ subject, feedback: isFeedback = false }) => {
      if (typeof subject === 'string') return [{ subject, isFeedback }];
      return 'pattern' in subject ? [{ subject: subject.pattern, isFeedback }] : [];
    },
    makesIds: ({ idOf }) => idOf === undefined,
    retractions: () => 'takes',
    start: (context) => {
      const { subject, order } = context.config;
      const unordered = order === 'none' ? { unordered: true as const } : {};
      const owe = oweBy(context, typeof subject === 'string' ? () => subject : subject, unordered, true);
      const refusals = context.metrics.counter(
        'millrace.to_jetstream.refused',
        'Items without a subject, an id or a header',
        {
          operator: context.name,
        },
      );
      return {
        onBatch: (items) => {
          const refused = items.filter((item) => !owe(item));
          refusals.add(refused.length);
          context.emitTo('refused', refused);
        },
      };
    },
  });
