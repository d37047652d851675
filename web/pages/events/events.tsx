import { type Answered, ApiProblem, useAnswer } from '../../api/index.ts';
import {
  Badge,
  type Column,
  Copyable,
  Empty,
  Fields,
  formatTime,
  formatValue,
  Input,
  Link,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { place, range, setParams, zone } from '../../state/index.ts';
import { OrderLife } from './order-life.tsx';
import type { EventList, Stored } from './stored.ts';

/** Members of an event that the list can be narrowed by. */
const FILTERS = [
  ['type', 'Type'],
  ['order_id', 'Order'],
  ['customer_id', 'Customer'],
  ['session_id', 'Session'],
  ['country', 'Country'],
  ['channel', 'Channel'],
] as const;
const PAGE_ROWS = 50;

/** Search, one event, and an order's whole life. */
export function Events() {
  const { params } = place.value;
  if (params.id !== undefined) return <One id={params.id} />;
  return (
    <div class="grid">
      <Tile title="Search">
        <Fields>
          {FILTERS.map(([name, title]) => (
            <Input
              key={name}
              title={title}
              value={params[name] ?? ''}
              change={(value) => setParams({ [name]: value.trim(), cursor: undefined })}
            />
          ))}
          <Input
            title="Event, by its id"
            value=""
            change={(value) => {
              if (value.trim() !== '') setParams({ id: value.trim() });
            }}
          />
        </Fields>
      </Tile>
      {params.order_id !== undefined && <OrderLife order={params.order_id} />}
      <List />
    </div>
  );
}

function List() {
  const { params } = place.value;
  const { start, end } = range.value;
  const filters = Object.fromEntries(FILTERS.map(([name]) => [name, params[name]]));
  const request = {
    path: '/events',
    params: { ...filters, from: start, to: end, limit: PAGE_ROWS, order: 'desc', cursor: params.cursor },
  };
  const answer = useAnswer<EventList>(request);
  const columns: Column<Stored>[] = [
    { title: 'Time', value: ({ time }) => time, show: ({ time }) => formatTime(time, zone.value, true) },
    { title: 'Type', value: ({ type }) => type },
    {
      ...{ title: 'Order', value: ({ order_id }) => order_id },
      show: ({ order_id }) =>
        order_id ? (
          <Link to="/events" params={{ order_id }}>
            {order_id}
          </Link>
        ) : (
          '–'
        ),
    },
    { title: 'Customer', value: ({ customer_id }) => customer_id },
    {
      ...{ title: 'Amount', isNumber: true, value: ({ amounts }) => amounts?.amount },
      show: ({ amounts, currency }) => formatValue(amounts?.amount, 'money', currency),
    },
    { title: 'Country', value: ({ dimensions }) => dimensions?.country },
    { title: 'Channel', value: ({ dimensions }) => dimensions?.channel },
    {
      ...{ title: 'Event', value: ({ event_id }) => event_id },
      show: ({ event_id }) => (
        <Link to="/events" params={{ id: event_id }}>
          {event_id}
        </Link>
      ),
    },
  ];
  return (
    <Tile title="Events" answer={answer} request={request} sheet={({ events }) => sheetOf(columns, events)}>
      {({ events, next_cursor }) =>
        events.length === 0 ? (
          <Empty>No event of this range is so. Choose another range, or fewer filters.</Empty>
        ) : (
          <>
            <Table
              label="Events"
              columns={columns}
              rows={events}
              keyOf={({ event_id }) => event_id}
              most={PAGE_ROWS}
            />
            <div class="actions">
              {params.cursor !== undefined && (
                <button type="button" onClick={() => setParams({ cursor: undefined })}>
                  First page
                </button>
              )}
              {next_cursor !== null && next_cursor !== undefined && (
                <button type="button" onClick={() => setParams({ cursor: next_cursor })}>
                  Older
                </button>
              )}
            </div>
          </>
        )
      }
    </Tile>
  );
}

const isMissing = ({ problem }: Answered<unknown>): boolean =>
  problem instanceof ApiProblem && problem.status === 404;

/** One event as it came. An id that no event has is looked for among orders. */
function One({ id }: { readonly id: string }) {
  const request = { path: `/events/${encodeURIComponent(id)}` };
  const answer = useAnswer<Stored>(request);
  if (isMissing(answer)) {
    return (
      <div class="grid">
        <Tile title={id}>
          <Empty>No event has this id. What is known of an order of this id stands below.</Empty>
          <Link to="/events">All events</Link>
        </Tile>
        <OrderLife order={id} />
      </div>
    );
  }
  return (
    <div class="grid">
      <Tile title={id} answer={answer} request={request} span={answer.data?.order_id ? 6 : 12}>
        {(event) => (
          <>
            <p>
              <Badge>{event.type}</Badge> {formatTime(event.time, zone.value, true)}
            </p>
            <Copyable text={JSON.stringify(event, null, 2)} />
            <Link to="/events">All events</Link>
          </>
        )}
      </Tile>
      {answer.data?.order_id && <OrderLife order={answer.data.order_id} span={6} />}
    </div>
  );
}
