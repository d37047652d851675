import { useAnswer } from '../../api/index.ts';
import { Badge, Empty, formatTime, Link, Tile } from '../../parts/index.ts';
import { zone } from '../../state/index.ts';
import type { EventList, Stored } from './stored.ts';

/** Members that say which event it is, not what it changes. */
const OF_EVENT = new Set(['event_id', 'type', 'time', 'timestamp', 'order_id', 'tenant']);
const EVENTS_MAX = 500;
/** Orders live for months; the page's range is about something else. */
const FROM = '2000-01-01T00:00:00Z';

interface Step {
  readonly event: Stored;
  /** Members that are not as the events before left them. */
  readonly changes: readonly { readonly name: string; readonly before: string; readonly after: string }[];
}

const text = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** What an event says, its `data` beside its other members; without the original, what the log keeps of it. */
function membersOf({ payload, dimensions, amounts }: Stored): Readonly<Record<string, unknown>> {
  const { data, ...others } = payload ?? { ...dimensions, ...amounts };
  return { ...others, ...(typeof data === 'object' && data !== null ? data : {}) };
}

/** What each event of an order, the oldest first, says that was not so before. */
export function lifeOf(events: readonly Stored[]): readonly Step[] {
  const known = new Map<string, string>();
  return events.map((event) => {
    const changes: { name: string; before: string; after: string }[] = [];
    for (const [name, value] of Object.entries(membersOf(event))) {
      const after = text(value);
      if (OF_EVENT.has(name) || after === '' || known.get(name) === after) continue;
      changes.push({ name, before: known.get(name) ?? '', after });
      known.set(name, after);
    }
    return { event, changes };
  });
}

/** All events of an order as a time line, with what each changed. */
export function OrderLife({ order, span = 12 }: { readonly order: string; readonly span?: 6 | 12 }) {
  const request = {
    path: '/events',
    params: { order_id: order, from: FROM, limit: EVENTS_MAX, order: 'asc', to: undefined },
  };
  const answer = useAnswer<EventList>(request);
  return (
    <Tile title={`The life of order ${order}`} answer={answer} request={request} span={span}>
      {({ events }) =>
        events.length === 0 ? (
          <Empty>No event names this order.</Empty>
        ) : (
          <ol class="life">
            {lifeOf(events).map(({ event, changes }) => (
              <li key={event.event_id}>
                <p>
                  <Link to="/events" params={{ id: event.event_id }}>
                    {event.type}
                  </Link>{' '}
                  <time dateTime={event.time}>{formatTime(event.time, zone.value, true)}</time>
                </p>
                {changes.length === 0 ? (
                  <Badge>changed nothing</Badge>
                ) : (
                  <ul>
                    {changes.map(({ name, before, after }) => (
                      <li key={name}>
                        <code>{name}</code> {before === '' ? '' : `${before} → `}
                        {after}
                      </li>
                    ))}
                  </ul>
                )}
              </li>
            ))}
          </ol>
        )
      }
    </Tile>
  );
}
