import type { TopologyDescription } from './node.ts';

/** Names that Mermaid reads as its own words, also in front of a hyphen, or as a part of an arrow. */
const RISKY = /^(end|click|class|style|subgraph|graph|flowchart|href|call|interpolate)(-|$)|--/;

/** The id of a node. Names have no underscore, so that no two nodes come to one id. */
function drawnAs(name: string): string {
  return RISKY.test(name) ? `op_${name.replaceAll('-', '_')}` : name;
}

/** A Mermaid flowchart. */
export function drawTopology({ nodes }: TopologyDescription): string {
  const lines = ['flowchart LR'];
  for (const { name, kind, inputs, state } of nodes) {
    const tables = Object.keys(state);
    const label = `${name}<br/><i>${kind}</i>${tables.length > 0 ? `<br/>${tables.join(', ')}` : ''}`;
    lines.push(`  ${drawnAs(name)}${kind === 'source' ? `(["${label}"])` : `["${label}"]`}`);
    for (const input of inputs) lines.push(`  ${drawnAs(input)} --> ${drawnAs(name)}`);
  }
  return lines.join('\n');
}
