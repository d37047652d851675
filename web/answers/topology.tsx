import { useSignal } from '@preact/signals';
import {
  Badge,
  type Column,
  formatAge,
  formatBytes,
  formatRate,
  formatTime,
  formatValue,
  Table,
  useWidth,
} from '../parts/index.ts';
import { zone } from '../state/index.ts';
import { type Operator, type OperatorState, type TopologyNode, useOperators } from './operators.ts';

/** Name, kind, facts, and what was put aside. */
const NODE_HEIGHT = 84;
const [NODE_MIN_WIDTH, NODE_MAX_WIDTH] = [118, 190];
const GAP_Y = 16;
/** Between columns: less where many stand in a narrow room. */
const [GAP_MIN_X, GAP_MAX_X] = [14, 28];
/** Below this width the graph goes from above to below. */
const NARROW = 640;
/** About the width of a letter. */
const LETTER_WIDTH = 6.7;

interface Placed extends Operator {
  readonly column: number;
  readonly row: number;
}

/** Along by the longest way from a source; those of one column beside each other. */
export function placed(operators: readonly Operator[]): readonly Placed[] {
  const columns = new Map<string, number>();
  const rows = new Map<number, number>();
  return operators.map((node) => {
    const column = Math.max(0, ...node.inputs.map((name) => (columns.get(name) ?? -1) + 1));
    columns.set(node.name, column);
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    return { ...node, column, row };
  });
}

interface Box {
  readonly x: number;
  readonly y: number;
}

/** Where each node stands, in a room of this width. */
function layoutOf(all: readonly Placed[], room: number) {
  const isDown = room > 0 && room < NARROW;
  const across = 1 + Math.max(0, ...all.map(({ column, row }) => (isDown ? row : column)));
  const down = 1 + Math.max(0, ...all.map(({ column, row }) => (isDown ? column : row)));
  const gap = room / across > NODE_MIN_WIDTH + GAP_MAX_X ? GAP_MAX_X : GAP_MIN_X;
  const fit = (room - 2 - (across - 1) * gap) / across;
  const width = Math.min(NODE_MAX_WIDTH, Math.max(NODE_MIN_WIDTH, fit));
  const boxOf = ({ column, row }: Placed): Box => ({
    x: 1 + (isDown ? row : column) * (width + gap),
    y: 1 + (isDown ? column : row) * (NODE_HEIGHT + GAP_Y),
  });
  return {
    ...{ isDown, width, boxOf },
    full: { width: across * (width + gap) - gap + 2, height: down * (NODE_HEIGHT + GAP_Y) - GAP_Y + 2 },
  };
}

function edgeOf(from: Box, to: Box, width: number, isDown: boolean): string {
  if (isDown) {
    const [x1, y1, x2, y2] = [from.x + width / 2, from.y + NODE_HEIGHT, to.x + width / 2, to.y];
    const middle = (y1 + y2) / 2;
    return `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + width, from.y + NODE_HEIGHT / 2, to.x, to.y + NODE_HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

const shortened = (text: string, width: number): string => {
  const most = Math.floor((width - 18) / LETTER_WIDTH);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

/** What stands in its box: how much comes, how much of it waits, how large it is. */
function factsOf({ came, of, behind_ms = 0 }: Operator, lag: number | undefined): string {
  return [
    came === undefined ? '' : formatRate(came),
    lag === undefined ? '' : `${formatValue(lag, 'count', null, true)} wait`,
    behind_ms > 0 ? `${formatAge(behind_ms)} behind` : '',
    of?.size_bytes ? formatBytes(of.size_bytes) : '',
  ]
    .filter((one) => one !== '')
    .join(' · ');
}

interface NodeProps {
  readonly node: Placed;
  readonly box: Box;
  readonly width: number;
  /** Messages that wait in the stream of a source. */
  readonly lag: number | undefined;
}

function Node({ node, box, width, lag }: NodeProps) {
  const { name, kind, aside } = node;
  const lines = [name, kind, factsOf(node, lag), ...(aside.length > 0 ? [asideText(node)] : [])];
  return (
    <g class={`node${aside.length > 0 ? ' bad' : ''}`}>
      <rect {...box} width={width} height={NODE_HEIGHT} rx="8" />
      {lines.map((text, at) => (
        <text
          key={String(at)}
          {...{ x: box.x + 10, y: box.y + 20 + at * 18 }}
          class={at === 0 ? 'name' : at === 3 ? 'bad' : 'quiet'}
        >
          {shortened(text, width)}
        </text>
      ))}
    </g>
  );
}

const asideText = ({ aside }: Operator): string =>
  aside.map(([kind, count]) => `${formatValue(count, 'count')} ${kind}`).join(', ');

const columnsOf = (choose: (name: string) => void): readonly Column<Operator>[] => [
  {
    ...{ title: 'Operator', value: ({ name }) => name },
    show: ({ name }) => (
      <button type="button" class="plain link" onClick={() => choose(name)}>
        {name}
      </button>
    ),
  },
  { title: 'Kind', value: ({ kind }) => kind },
  {
    ...{ title: 'In', isNumber: true, value: ({ came }) => came },
    show: ({ came }) => (came === undefined ? '–' : formatRate(came)),
  },
  {
    ...{ title: 'Out', isNumber: true, value: ({ gave }) => gave },
    show: ({ gave }) => (gave === undefined ? '–' : formatRate(gave)),
  },
  {
    ...{ title: 'Came', isNumber: true, value: ({ of }) => of?.received },
    show: ({ of }) => formatValue(of?.received, 'count'),
  },
  {
    ...{ title: 'Gave', isNumber: true, value: ({ of }) => of?.emitted },
    show: ({ of }) => formatValue(of?.emitted, 'count'),
  },
  {
    ...{ title: 'Watermark', value: ({ of }) => of?.watermark },
    show: ({ of }) => formatTime(of?.watermark, zone.value, true),
  },
  {
    ...{ title: 'Behind', isNumber: true, value: ({ behind_ms }) => behind_ms },
    show: ({ behind_ms }) => (behind_ms === undefined ? '–' : formatAge(behind_ms)),
  },
  {
    ...{ title: 'Rows', isNumber: true, value: ({ of }) => of?.rows },
    show: ({ of }) => formatValue(of?.rows, 'count'),
  },
  {
    ...{ title: 'State', isNumber: true, value: ({ of }) => of?.size_bytes },
    show: ({ of }) => formatBytes(of?.size_bytes ?? 0),
  },
  {
    ...{ title: 'Put aside', value: (one) => asideText(one) },
    show: (one) => (one.aside.length === 0 ? '' : <Badge kind="warn">{asideText(one)}</Badge>),
  },
];

interface TopologyProps {
  readonly nodes: readonly TopologyNode[];
  readonly states: readonly OperatorState[];
  /** When the states were so. */
  readonly time: string;
  /** Messages that wait in the streams; null where nobody knows. */
  readonly lag: number | null;
}

/** The operators as a graph and a table, each with its rates, lag, watermark, state and what it put aside. */
export function Topology({ nodes, states, time, lag }: TopologyProps) {
  const chosen = useSignal<string | null>(null);
  const { element, width: room } = useWidth<HTMLElement>();
  const operators = useOperators(nodes, states, time);
  const all = placed(operators);
  const by = new Map(all.map((node) => [node.name, node]));
  const { isDown, width, boxOf, full } = layoutOf(all, room);
  const sources = nodes.filter(({ inputs }) => inputs.length === 0).length;
  const one = chosen.value === null ? undefined : by.get(chosen.value);
  const choose = (name: string): void => {
    chosen.value = chosen.value === name ? null : name;
  };
  return (
    <>
      <section class="scroll" tabindex={0} aria-label="Graph of the operators" ref={element}>
        <svg class="picture topology" {...full}>
          <title>Operators and what each reads</title>
          {all.flatMap((node) =>
            node.inputs.map((name) => {
              const from = by.get(name);
              return from === undefined ? null : (
                <path
                  key={`${name}-${node.name}`}
                  class="edge"
                  d={edgeOf(boxOf(from), boxOf(node), width, isDown)}
                />
              );
            }),
          )}
          {all.map((node) => (
            <Node
              key={node.name}
              node={node}
              box={boxOf(node)}
              width={width}
              // What waits is known of all sources together.
              lag={lag !== null && sources === 1 && node.inputs.length === 0 ? lag : undefined}
            />
          ))}
        </svg>
      </section>
      <Table label="Operators" columns={columnsOf(choose)} rows={all} keyOf={({ name }) => name} />
      {one !== undefined && (
        <p role="status">
          <strong>{one.name}</strong> ({one.kind}): {one.summary}. Reads {one.inputs.join(', ') || 'a stream'}
          . Keeps {Object.keys(one.state).join(', ') || 'nothing'}.{' '}
          {Object.entries(one.of?.counts ?? {})
            .map(([name, count]) => `${name} ${formatValue(count, 'count')}`)
            .join(', ')}
        </p>
      )}
    </>
  );
}
