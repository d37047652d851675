import type { NodeDescription, TopologyDescription } from '../../engine/index.ts';
import type { Counts } from './counts.ts';
import type { Cause } from './facts.ts';

type Told = Omit<Cause, 'place'>;

const WATERMARK = 'millrace.watermark.timestamp';
const DUE = 'millrace.operator.due.timestamp';
/** Kinds that make a watermark, also before they have made one. */
const MAKERS = new Set(['watermark', 'event-watermark']);
const MS_PER_SECOND = 1_000;

/** Why an operator that waits for event time has given nothing; undefined where time is not the reason. */
export function timeCause(
  topology: TopologyDescription,
  node: NodeDescription,
  counts: Counts,
): Told | undefined {
  const makers = makersBefore(topology, node, counts);
  if (makers.length === 0) {
    return {
      code: 'no_watermark_operator',
      sentence: 'It waits for event time, and nothing before it makes a watermark.',
      next: "Put watermark('time', { timeOf, outOfOrderness_ms }) before it.",
    };
  }
  const without = makers.find(({ name }) => counts.level(WATERMARK, name) === undefined);
  if (without !== undefined) return noWatermark(topology, without, counts);
  const due_s = counts.level(DUE, node.name);
  if (due_s === undefined) return undefined;
  const times = makers.map(({ name }) => ({ name, at_s: counts.level(WATERMARK, name) ?? 0 }));
  const [slowest, ...others] = times.sort((a, b) => a.at_s - b.at_s);
  if (slowest === undefined || slowest.at_s >= due_s) return undefined;
  const closes = `It gives something when the watermark reaches ${text(due_s)}; it is at ${text(slowest.at_s)}`;
  if (others.some(({ at_s }) => at_s >= due_s)) {
    const sources = sourcesBefore(topology, slowest.name);
    return {
      code: 'watermark_held',
      sentence: `${closes}, held back by "${slowest.name}" (${sources.join(', ')}).`,
      next: `Publish later events to ${sources.join(', ')}, or give "${slowest.name}" a shorter idle_ms.`,
    };
  }
  return {
    code: 'window_open',
    sentence: `${closes}.`,
    next: 'Wait for later events: without any, the watermark follows the clock after its idle_ms.',
  };
}

function noWatermark(topology: TopologyDescription, maker: NodeDescription, counts: Counts): Told {
  const sources = sourcesBefore(topology, maker.name);
  const ahead = counts.fates(maker.name).get('ahead') ?? 0;
  if (ahead > 0 && ahead >= counts.received(maker.name)) {
    return {
      code: 'times_not_believed',
      sentence: `There is no watermark: the times of all ${ahead} events at "${maker.name}" are too far ahead.`,
      next: 'See whether timeOf gives milliseconds since 1970, and max_ahead_ms.',
    };
  }
  return {
    code: 'no_watermark',
    sentence: `There is no watermark yet: "${maker.name}" (${sources.join(', ')}) has had no event.`,
    next: `Publish to ${sources.join(', ')}: one event is enough to begin.`,
  };
}

/** The operators that make the watermark which comes to a node. */
export function makersBefore(
  { nodes }: TopologyDescription,
  node: NodeDescription,
  counts: Counts,
): readonly NodeDescription[] {
  const found = new Map<string, NodeDescription>();
  const next = [...node.inputs];
  for (let name = next.shift(); name !== undefined; name = next.shift()) {
    const at = nodes.find((each) => each.name === name);
    if (at === undefined) continue;
    if (MAKERS.has(at.kind) || counts.level(WATERMARK, at.name) !== undefined) found.set(at.name, at);
    else next.push(...at.inputs);
  }
  return [...found.values()];
}

function sourcesBefore({ nodes }: TopologyDescription, name: string): readonly string[] {
  const at = nodes.find((node) => node.name === name);
  if (at === undefined) return [];
  if (at.kind === 'source') return [`source "${name}"`];
  return [...new Set(at.inputs.flatMap((input) => sourcesBefore({ name: '', nodes }, input)))];
}

const text = (at_s: number): string => new Date(at_s * MS_PER_SECOND).toISOString();
