import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { CALLBACK_SUBJECTS } from './callback-publisher.ts';
import { isSubject, type OutputTables, outputTables, oweBy, type RefusedOutput } from './output.ts';
import type { OutputConfig } from './to-jetstream.ts';

/** Configuration of `toCallback`. */
export interface ToCallbackConfig<A> extends OutputConfig<A> {
  /** The name under which the `CallbackPublisher` has the function. By default the operator's. */
  readonly callback?: string;
}

export const toCallbackDoc: OperatorDoc = {
  kind: 'to-callback',
  summary: 'Calls an async function with each item, after the commit that contains it',
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
    makesIds: ({ idOf }) => idOf === undefined,
    retractions: () => 'takes',
    start: (context) => {
      const owe = oweBy(context, () => subject);
      const refusals = context.metrics.counter(
        'millrace.to_callback.refused',
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
