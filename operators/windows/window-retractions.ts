import { MAIN_OUTPUT, MillraceError, type OutputChanges } from '../../engine/index.ts';
import { type AggregateSpec, resolveAggregate } from '../aggregates/index.ts';
import { isRetraction as isMarked, wholeTime } from '../core/index.ts';
import type { WindowConfig, WindowPlan } from './window-types.ts';
import type { WindowSpec } from './windows.ts';

/** How a window's events are read and added up: those that take an earlier one back are subtracted, or refused. */
export function takingBack<E, S extends AggregateSpec<E>>(
  name: string,
  config: WindowConfig<E, S>,
): Pick<WindowPlan<E>, 'aggregate' | 'timeOf' | 'retractions'> {
  const { window, timeOf, isRetraction = isMarked } = config;
  const aggregate: WindowPlan<E>['aggregate'] = resolveAggregate<E, S>(config.aggregate);
  const { retract } = aggregate;
  const isSaid = config.isRetraction !== undefined;
  if (retract === undefined || !hasBounds(window)) {
    return {
      aggregate,
      timeOf: (event) => {
        if (isRetraction(event)) throw refused(name);
        return wholeTime(timeOf(event), name);
      },
      retractions: isSaid ? 'takes' : 'adds',
    };
  }
  return {
    aggregate: {
      ...aggregate,
      add: (acc, event, time_ms) =>
        isRetraction(event) ? retract(acc, event, time_ms) : aggregate.add(acc, event, time_ms),
    },
    timeOf: (event) => wholeTime(timeOf(event), name),
    retractions: isSaid ? 'takes' : 'subtracts',
  };
}

/** Bounds that do not follow from the events: to take one away leaves those of the others as they are. */
function hasBounds({ kind }: WindowSpec): boolean {
  return kind === 'tumbling' || kind === 'hopping' || kind === 'cumulate' || kind === 'global';
}

function refused(name: string): MillraceError {
  return new MillraceError(
    'retractions_refused',
    `"${name}" was given an item that takes an earlier one back (kind: 'retract'), and cannot subtract it: windows ` +
      'with bounds of their own can, of aggregates with retract (count, sum, sumExact, avg, variance). Filter them out ' +
      'where that is right, or say with isRetraction that it is something else.',
  );
}

/** How further results change the ones before: see `WindowMode`. */
export function changesOf<E>(plan: Omit<WindowPlan<E>, 'aggregate'>): OutputChanges {
  const { mode, window, trigger, allowedLateness_ms } = plan;
  const givesMore = window.kind !== 'count' && (trigger.kind !== 'watermark' || allowedLateness_ms > 0);
  const givesAgain = mode === 'accumulate' && givesMore;
  const takesBack = givesMore && (mode === 'retract' || (givesAgain && window.kind === 'session'));
  return { output: MAIN_OUTPUT, takesBack, givesAgain };
}
