import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsServer } from '../../connectors/index.ts';
import {
  type Clock,
  DATA_FILE,
  type GenerationLayout,
  type MillraceError,
  type SupervisedState,
  type TopologyChange,
} from '../../engine/index.ts';
import { inThread, PartitionHost, WHOLE_STREAM } from '../host/index.ts';
import { ORDER_ANALYTICS_MODULE, ORDER_INPUT, type OrderOptions, withOptions } from '../orders/index.ts';
import type { Settings } from '../settings/index.ts';
import { Pace } from './pace.ts';

/** What a host of the order analytics needs, and tells. */
export interface LiveOptions {
  /** As the environment says. The current generation may have options of its own. */
  readonly settings: Settings;
  readonly nats: NatsServer;
  readonly onChange?: (state: SupervisedState, error: MillraceError | undefined) => void;
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  readonly onDefinitionsUnread?: (message: string) => void;
}

/** One generation that runs, or may. */
export interface Live {
  readonly layout: GenerationLayout;
  /** What it has otherwise than the settings of the environment. */
  readonly options: OrderOptions;
  readonly settings: Settings;
  readonly host: PartitionHost;
}

/** A generation with its host, which does not run yet. */
export function liveOf(
  { nats, onChange, onTopologyChange, onDefinitionsUnread, ...rest }: LiveOptions,
  clock: Clock,
  layout: GenerationLayout,
  options: OrderOptions,
): Live {
  const settings = withOptions(rest.settings, options);
  const statePath = layout.partitionPath(WHOLE_STREAM);
  const host = new PartitionHost({
    partition: WHOLE_STREAM,
    generation: layout.generation,
    statePath,
    place: inThread({
      module: ORDER_ANALYTICS_MODULE,
      config: settings,
      nats,
      partition: WHOLE_STREAM,
      statePath,
      inputs: [{ ...ORDER_INPUT, gaps: settings.onGap }],
      allowTopologyChange: settings.allowTopologyChange,
      takesDefinitions: true,
      letters: settings.letters,
      archive: settings.archive.place,
    }),
    clock,
    ...(onChange === undefined ? {} : { onChange }),
    ...(onTopologyChange === undefined ? {} : { onTopologyChange }),
    ...(onDefinitionsUnread === undefined ? {} : { onDefinitionsUnread }),
  });
  return { layout, options, settings, host };
}

/** Where a generation stands, by source. */
export const appliedBy = ({ host }: Live): Readonly<Record<string, number>> => ({
  [ORDER_INPUT.node]: host.progress()?.sequence ?? 0,
});

/** Messages between two places. */
export const distance = (
  from: Readonly<Record<string, number>>,
  to: Readonly<Record<string, number>>,
): number => Object.entries(to).reduce((sum, [node, sequence]) => sum + sequence - (from[node] ?? 0), 0);

/** What works beside a generation has. */
export function paceOf({ settings }: Pick<LiveOptions, 'settings'>, { host }: Live): Pace {
  return new Pace(settings.backfill.share, {
    applied: () => host.progress()?.sequence ?? 0,
    head: () => host.head(ORDER_INPUT.node)?.sequence ?? 0,
  });
}

/** Of the file of a state. */
export function sizeOf({ path }: GenerationLayout): number {
  return statSync(join(path, `p${WHOLE_STREAM}`, DATA_FILE), { throwIfNoEntry: false })?.size ?? 0;
}
