import { type OperatorState, operatorSheet, Topology, type TopologyNode } from '../../answers/index.ts';
import { useAnswer } from '../../api/index.ts';
import { Badge, Bars, type Column, Empty, Figure, formatTime, Table, Tile } from '../../parts/index.ts';
import { zone } from '../../state/index.ts';
import { DeadLetters } from './dead-letters.tsx';

interface HealthAnswer {
  readonly status: string;
  readonly subsystems: Readonly<
    Record<string, { readonly status: string; readonly message?: string; readonly code?: string }>
  >;
  readonly why: readonly { readonly code: string; readonly sentence: string; readonly next?: string }[];
}

interface Diagnostics {
  readonly generation: number;
  readonly ingest: readonly {
    readonly connector: string;
    readonly position: number;
    readonly lag_messages: number | null;
    readonly staleness_ms: number | null;
  }[];
  readonly watermark: string | null;
  readonly notices: Readonly<Record<string, { readonly count: number }>>;
  readonly ahead_of_storing: readonly { readonly source: string | null; readonly events: number }[];
  readonly uncounted_types: {
    readonly types: readonly {
      readonly type: string;
      readonly count: number;
      readonly suggestion?: string;
    }[];
  } | null;
  readonly time: string;
  readonly topology: { readonly name: string; readonly nodes: readonly TopologyNode[] };
  readonly operators: readonly OperatorState[];
}

interface Gaps {
  readonly messages_missing: number;
  readonly messages_resolved: number;
}

const AGAIN_MS = 5_000;
const KIND = { ok: 'good', degraded: 'warn' } as const;

const kindOf = (status: string): 'good' | 'warn' | 'bad' =>
  status in KIND ? KIND[status as keyof typeof KIND] : 'bad';

type Subsystem = readonly [name: string, HealthAnswer['subsystems'][string]];

const SUBSYSTEMS: readonly Column<Subsystem>[] = [
  { title: 'Part', value: ([name]) => name.replaceAll('_', ' ') },
  {
    ...{ title: 'State', value: ([, { status }]: Subsystem) => status },
    show: ([, { status }]) => <Badge kind={kindOf(status)}>{status}</Badge>,
  },
  { title: 'Why', isWide: true, value: ([, { message }]) => message ?? '' },
];

/** How the service is, what it set aside, and what nothing counts. */
export function Health() {
  const health = useAnswer<HealthAnswer>({ path: '/health' }, { refresh_ms: AGAIN_MS });
  const found = useAnswer<Diagnostics>({ path: '/diagnostics' }, { refresh_ms: AGAIN_MS });
  const gaps = useAnswer<Gaps>({ path: '/gaps' });
  return (
    <div class="grid">
      <Tile
        title="Service"
        answer={health}
        request={{ path: '/health' }}
        reserve={[366, 345]}
        span={6}
        actions={
          health.data !== undefined && (
            <Badge kind={kindOf(health.data.status)}>all together: {health.data.status}</Badge>
          )
        }
      >
        {({ subsystems, why }) => (
          <>
            <Table
              label="Parts of the service"
              columns={SUBSYSTEMS}
              rows={Object.entries(subsystems)}
              keyOf={([name]) => name}
            />
            {why.map(({ code, sentence, next }) => (
              <p key={code} class="hint">
                {sentence} {next}
              </p>
            ))}
          </>
        )}
      </Tile>
      <Tile title="Events" answer={found} request={{ path: '/diagnostics' }} reserve={[266, 345]} span={6}>
        {(data) => <Counts data={data} />}
      </Tile>
      <Tile
        title="Topology"
        answer={found}
        request={{ path: '/diagnostics' }}
        hasPicture
        reserve={[1_070, 770]}
        sheet={({ operators }) => operatorSheet(operators)}
      >
        {({ topology, operators, time, ingest }) => (
          <Topology
            nodes={topology.nodes}
            states={operators}
            {...{ time, lag: ingest[0]?.lag_messages ?? null }}
          />
        )}
      </Tile>
      <DeadLetters />
      <Tile title="Types that no metric counts" answer={found} span={6}>
        {({ uncounted_types }) => <Uncounted found={uncounted_types} />}
      </Tile>
      <Tile title="Lost by the broker" answer={gaps} reserve={[80, 80]} request={{ path: '/gaps' }} span={6}>
        {({ messages_missing, messages_resolved }) => (
          <div class="figures">
            <Figure title="Messages missing" unit="count" value={messages_missing} />
            <Figure title="Resolved" unit="count" value={messages_resolved} />
          </div>
        )}
      </Tile>
    </div>
  );
}

function Counts({ data }: { readonly data: Diagnostics }) {
  const [source] = data.ingest;
  const of = (kind: string): number => data.notices[kind]?.count ?? 0;
  return (
    <>
      <div class="figures">
        <Figure title="Counted messages" unit="count" value={source?.position} />
        <Figure title="Waiting" unit="count" value={source?.lag_messages} />
        <Figure title="Staleness" unit="ms" value={source?.staleness_ms} />
        <Figure title="Late" unit="count" value={of('late')} />
        <Figure title="Duplicate" unit="count" value={of('duplicate')} />
        <Figure title="Conflicting" unit="count" value={of('conflict')} />
        <Figure title="Dead letters" unit="count" value={of('dead_letter')} />
      </div>
      <p class="hint">
        Generation {data.generation} · event time until {formatTime(data.watermark, zone.value, true)}
      </p>
      {data.ahead_of_storing.length > 0 && (
        <Bars
          label="Events ahead of the time at which they were stored, by source"
          bars={data.ahead_of_storing.map(({ source: name, events }) => ({
            key: name ?? '',
            title: `${name ?? '(no source)'}: its clock is ahead`,
            value: events,
            text: `${events} events`,
          }))}
        />
      )}
    </>
  );
}

type Uncounted = NonNullable<Diagnostics['uncounted_types']>['types'][number];
const UNCOUNTED: readonly Column<Uncounted>[] = [
  { title: 'Type', value: ({ type }) => type },
  { title: 'Events', isNumber: true, value: ({ count }) => count },
  { title: 'Meant, perhaps', value: ({ suggestion }) => suggestion ?? '' },
];

function Uncounted({ found }: { readonly found: Diagnostics['uncounted_types'] }) {
  if (found === null) return <Empty>It could not be counted in time. Ask again.</Empty>;
  if (found.types.length === 0) return <Empty>Each type that came is counted by a metric.</Empty>;
  return (
    <Table
      label="Types that no metric counts"
      columns={UNCOUNTED}
      rows={found.types}
      keyOf={({ type }) => type}
    />
  );
}
