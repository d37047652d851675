import { MillraceError } from '../base/index.ts';

interface WatermarkNode {
  readonly name: string;
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly ownsWatermark?: boolean;
  readonly needsWatermark?: boolean;
}

/**
 * Throws `no_watermark` where an operator waits for a watermark that cannot come. Of several inputs the smallest
 * watermark counts, so each of them needs one. Nodes come behind their inputs.
 */
export function requireWatermarks(nodes: readonly WatermarkNode[]): void {
  /** By node, the sources from which no watermark comes to it. */
  const without = new Map<string, readonly string[]>();
  for (const { name, kind, inputs, ownsWatermark = false, needsWatermark = false } of nodes) {
    const sources = inputs.length === 0 ? [name] : inputs.flatMap((input) => without.get(input) ?? []);
    if (needsWatermark && sources.length > 0) throw noWatermark(name, kind, sources);
    without.set(name, ownsWatermark ? [] : [...new Set(sources)]);
  }
}

function noWatermark(name: string, kind: string, sources: readonly string[]): MillraceError {
  const from = [...new Set(sources)].map((source) => `"${source}"`).join(' and ');
  return new MillraceError(
    'no_watermark',
    `"${name}" (${kind}) gives nothing until event time moves, and nothing between the source ${from} and it moves it. ` +
      'Put `watermark(…)` there, before streams are merged or joined: `watermark("time", { timeOf, outOfOrderness_ms })`. ' +
      'An operator of your own that moves event time says `ownsWatermark: true`.',
  );
}
