import { type OperatorState, operatorSheet, Topology, type TopologyNode } from '../../answers/index.ts';
import { useAnswer } from '../../api/index.ts';
import { Badge, Empty, Figure, formatTime, Tile } from '../../parts/index.ts';
import { zone } from '../../state/index.ts';

interface Health {
  readonly status: string;
  readonly task: { readonly state: string; readonly code?: string; readonly message?: string };
  readonly nats: { readonly connected: boolean };
  readonly notices: Readonly<Record<string, number>>;
  readonly why: readonly { readonly code: string; readonly sentence: string; readonly next?: string }[];
}

interface Operators {
  readonly time: string;
  readonly watermark: string | null;
  readonly lag: number | null;
  readonly operators: readonly OperatorState[];
}

interface Described {
  readonly name: string;
  readonly nodes: readonly TopologyNode[];
}

const AGAIN_MS = 2_000;
const KIND = { ok: 'good', starting: 'quiet', degraded: 'warn', failed: 'bad' } as const;

/** A topology of one's own: how its task stands, and its operators. */
export function Operate() {
  const health = useAnswer<Health>({ path: '/health' }, { refresh_ms: AGAIN_MS });
  const described = useAnswer<Described>({ path: '/topology' });
  const request = { path: '/operators' };
  const states = useAnswer<Operators>(request, { refresh_ms: AGAIN_MS });
  return (
    <div class="grid">
      <Tile title="Task" answer={health} request={{ path: '/health' }} reserve={[200, 140]}>
        {(data) => <Task health={data} operators={states.data} />}
      </Tile>
      <Tile
        title="Operators"
        answer={states}
        request={request}
        hasPicture
        reserve={[1_070, 770]}
        sheet={(data) => operatorSheet(data.operators)}
      >
        {({ operators, time, lag }) =>
          described.data === undefined ? null : (
            <Topology nodes={described.data.nodes} states={operators} {...{ time, lag }} />
          )
        }
      </Tile>
    </div>
  );
}

function Task({ health, operators }: { readonly health: Health; readonly operators: Operators | undefined }) {
  const { status, task, nats, notices, why } = health;
  return (
    <>
      <div class="chips">
        <Badge kind={KIND[status as keyof typeof KIND] ?? 'bad'}>{status}</Badge>
        <Badge>task {task.state}</Badge>
        <Badge kind={nats.connected ? 'quiet' : 'bad'}>NATS {nats.connected ? 'connected' : 'away'}</Badge>
      </div>
      <div class="figures">
        <Figure title="Waiting in the streams" unit="count" value={operators?.lag} />
        <Figure title="Notices" unit="count" value={Object.values(notices).reduce((a, b) => a + b, 0)} />
        {Object.entries(notices).map(([kind, count]) => (
          <Figure key={kind} title={kind.replaceAll('_', ' ')} unit="count" value={count} />
        ))}
      </div>
      <p class="hint">Watermark {formatTime(operators?.watermark, zone.value, true)}</p>
      {task.message !== undefined && <Empty>{task.message}</Empty>}
      {why.map(({ code, sentence, next }) => (
        <p key={code} class="hint">
          {sentence} {next}
        </p>
      ))}
    </>
  );
}
