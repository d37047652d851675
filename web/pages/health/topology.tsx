import { useSignal } from '@preact/signals';

/** An operator of the topology, as `/diagnostics` names it. */
export interface TopologyNode {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly state: Readonly<Record<string, unknown>>;
}

const NODE_WIDTH = 126;
const NODE_HEIGHT = 44;
const GAP_X = 30;
const GAP_Y = 18;

interface Placed extends TopologyNode {
  readonly x: number;
  readonly y: number;
}

/** Left to right by the longest way from a source; those of one column below each other. */
export function placed(nodes: readonly TopologyNode[]): readonly Placed[] {
  const columns = new Map<string, number>();
  const rows = new Map<number, number>();
  return nodes.map((node) => {
    const column = Math.max(0, ...node.inputs.map((name) => (columns.get(name) ?? -1) + 1));
    columns.set(node.name, column);
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    return { ...node, x: column * (NODE_WIDTH + GAP_X), y: row * (NODE_HEIGHT + GAP_Y) };
  });
}

/** The operators as a graph; a click says what one does and keeps. */
export function Topology({ nodes }: { readonly nodes: readonly TopologyNode[] }) {
  const chosen = useSignal<string | null>(null);
  const all = placed(nodes);
  const by = new Map(all.map((node) => [node.name, node]));
  const width = Math.max(...all.map(({ x }) => x)) + NODE_WIDTH + 4;
  const height = Math.max(...all.map(({ y }) => y)) + NODE_HEIGHT + 4;
  const one = chosen.value === null ? undefined : by.get(chosen.value);
  return (
    <>
      <section class="scroll" tabindex={0} aria-label="Graph of the operators">
        <svg class="picture topology" width={width} height={height} viewBox={`-2 -2 ${width} ${height}`}>
          <title>Operators and what each reads</title>
          {all.flatMap((node) =>
            node.inputs.map((name) => {
              const from = by.get(name);
              if (from === undefined) return null;
              const [x1, y1] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2];
              const [x2, y2] = [node.x, node.y + NODE_HEIGHT / 2];
              const middle = (x1 + x2) / 2;
              return (
                <path
                  key={`${name}-${node.name}`}
                  class="edge"
                  d={`M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`}
                />
              );
            }),
          )}
          {all.map(({ name, kind, x, y }) => (
            <g key={name} class="node">
              <rect x={x} y={y} width={NODE_WIDTH} height={NODE_HEIGHT} rx="8" />
              <text x={x + 10} y={y + 18}>
                {name}
              </text>
              <text x={x + 10} y={y + 34} class="quiet">
                {kind}
              </text>
            </g>
          ))}
        </svg>
      </section>
      <div class="chips">
        {all.map(({ name }) => (
          <button
            key={name}
            type="button"
            aria-pressed={chosen.value === name}
            onClick={() => {
              chosen.value = chosen.value === name ? null : name;
            }}
          >
            {name}
          </button>
        ))}
      </div>
      {one !== undefined && (
        <p role="status">
          <strong>{one.name}</strong> ({one.kind}): {one.summary}. Reads {one.inputs.join(', ') || 'a stream'}
          . Keeps {Object.keys(one.state).join(', ') || 'nothing'}.
        </p>
      )}
    </>
  );
}
