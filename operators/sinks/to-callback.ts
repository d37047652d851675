import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { CALLBACK_SUBJECTS } from './callback-publisher.ts';
import { isSubject, type OutputTables, outputTables, oweBy, type RefusedOutput } from './output.ts';
import type { OutputConfig } from './to-jetstream.ts';

export interface ToCallbackConfig<A> extends OutputConfig<A> {
  /** The name under which the `CallbackPublisher` has the function. By default the operator's. */
  readonly callback?: string;
}

export const toCallbackDoc: OperatorDoc = {
  kind: 'to-callback',
  summary: 'Calls an async function with each item, after the commit that contains it',
  does: 'Owes a message for each item, as `toJetStream` does; the `CallbackPublisher` that the task is given (`run(topology, { publisher: (next) => new CallbackPublisher(next).register("mail", sendMail) })`, or with `npx millrace start` the export `publisher` of the topology’s module) calls the function registered under the name with it, after the commit, and everything else it hands on to the publisher behind it. So a pipeline can call an API, write to a database or send a mail without anything in the graph waiting. Calls of one callback run one at a time and in order, unless `max_in_flight` allows more. A call that fails or takes longer than `timeout_ms` is repeated with growing pauses.',
  state:
    'One number, the counter of the ids. Messages wait in the outbox until their call has succeeded; when too many are owed the task takes no more input (`outbox.max_rows`).',
  late: 'Late items are handed over like all others.',
  duplicates:
    'Two items are two calls. A call whose success could not be committed is repeated with the same id: at least once, and exactly once for a function that remembers ids (a unique key in its database, an idempotency key of its API).',
  failure:
    'A crash before the commit calls nothing; one after it calls what is still owed, with the same ids. After `max_attempts`, or when the function throws a `MillraceError` that is not retriable, the message is given up: counted as `millrace.outbox.refused` and listed as a notice. An item whose id or header is no text goes to the side output `refused` and is counted as `millrace.to-callback.refused`. A message for a name that nobody has registered waits for one to be.',
};

/** A sink: an async function is called with each item after the commit. Emits nothing. Throws `bad_config` for a name that is no subject token. */
export function toCallback<A>(
  name: string,
  config: ToCallbackConfig<A> = {},
): Operator<A, never, RefusedOutput<A>> {
  const { callback = name } = config;
  if (!isSubject(callback)) {
    throw new MillraceError(
      'bad_config',
      `"${callback}" cannot be a callback's name: no spaces, no wildcards.`,
    );
  }
  return make<A>(CALLBACK_SUBJECTS + callback)(name, config);
}

const make = <A>(subject: string) =>
  defineOperator<A, never, ToCallbackConfig<A>, OutputTables, RefusedOutput<A>>({
    kind: toCallbackDoc.kind,
    summary: toCallbackDoc.summary,
    state: outputTables,
    sides: ['refused'],
    start: (context) => {
      const owe = oweBy(context, () => subject);
      const refusals = context.metrics.counter(
        'millrace.to-callback.refused',
        'Items without an id or a header',
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
