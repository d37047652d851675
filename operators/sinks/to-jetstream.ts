import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { isSubject, type OutputTables, outputTables, oweBy, type RefusedOutput } from './output.ts';

export type { RefusedOutput } from './output.ts';

export interface OutputConfig<A> {
  /** By default the item as JSON. A string becomes UTF-8. */
  readonly encode?: (item: A) => Uint8Array | string;
  /** Names of printable ASCII without colons, values of one line; `Nats-Msg-Id` is the message's id and not for here. */
  readonly headers?: (item: A) => Readonly<Record<string, string>>;
  /**
   * The message's id, unique within the receiving stream: one line, not empty. By default topology, operator, partition and a
   * counter that is part of the commit. Give one made of the item (an order number) where the state may be
   * rebuilt from the stream: the counter then begins again.
   */
  readonly idOf?: (item: A) => string;
}

export interface ToJetStreamConfig<A> extends OutputConfig<A> {
  readonly subject: string | ((item: A) => string);
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
  does: "Owes a message for each item: it is written to the outbox in the commit that contains the item, and published after it, and again until the stream has acknowledged it. The message id (`Nats-Msg-Id`) is fixed with the commit, so whatever is sent again carries the same one: JetStream stores it once within the stream's duplicate window (two minutes by default; make it longer than the longest outage after which a repeat may come), and a consumer that remembers ids has each message exactly once for ever. Messages of one subject are stored in the order of the items, also when sends fail and across restarts: each is sent when the one before it is acknowledged or refused for good. Different subjects do not wait for each other. One subject therefore takes one message for each round trip to the server; where that is too slow, put a key into the subject (`results.<key>`: order is then that of each key), or give up order with `order: 'none'`, which pipelines sends and lets a repeated one come after later ones.",
  state:
    'One number, the counter of the ids. Messages wait in the outbox until they are acknowledged; when too many are owed the task takes no more input (`outbox.max_rows`).',
  late: 'Late items are sent like all others.',
  duplicates:
    'Two items are two messages, also of two topologies with operators of one name, unless `idOf` gives both the same id: then the stream keeps the first within its duplicate window.',
  failure:
    'A crash before the commit sends nothing; one after it sends what is still owed, under the same ids. If state is rebuilt from the stream the counter begins again: messages carry the ids of the first run, which within the duplicate window are taken for repeats. Use `idOf` with an id from the item where that matters. An item whose subject is malformed, whose id is no text, empty or has a line break, or whose headers have names or values that are none goes to the side output `refused` and is counted as `millrace.to-jetstream.refused`; what the server refuses for good is counted as `millrace.outbox.refused` and listed as a notice.',
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
    start: (context) => {
      const { subject, order } = context.config;
      const unordered = order === 'none' ? { unordered: true as const } : {};
      const owe = oweBy(context, typeof subject === 'string' ? () => subject : subject, unordered, true);
      const refusals = context.metrics.counter(
        'millrace.to-jetstream.refused',
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
