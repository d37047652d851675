import { useSignal } from '@preact/signals';
import { useMetrics } from '../../answers/index.ts';
import { may, useAnswer } from '../../api/index.ts';
import {
  Confirm,
  Copyable,
  Dialog,
  Form,
  formatTime,
  Input,
  JsonForm,
  NameDialog,
  Problem,
  Select,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { APP, place, range, setParams, zone } from '../../state/index.ts';
import { BoardGrid } from './board-grid.tsx';
import type { Board, Widget } from './widgets.ts';

/** Of the dashboards that are always there; they cannot be changed. */
const MAKER = 'millrace';
const FIRST = 'dashboard_overview';

/** Stored dashboards: all widgets of one are of one position of the stream. */
export function Dashboards() {
  const { metrics } = useMetrics();
  const list = useAnswer<{ readonly dashboards: readonly Board[] }>({
    path: '/dashboards',
    params: { limit: 200 },
  });
  const id = place.value.params.dashboard ?? FIRST;
  const { start, end } = range.value;
  const request = { path: `/dashboards/${id}`, params: { data: true, start, end } };
  const answer = useAnswer<Board>(request);
  const action = useAction<Board>();
  const open = useSignal<'copy' | 'share' | 'remove' | 'edit' | null>(null);
  const board = answer.data;
  const isOwn = board !== undefined && board.created_by !== MAKER && may('definitions:write');
  const move = async (from: number, to: number): Promise<void> => {
    if (board === undefined) return;
    const widgets = swapped(board.widgets, from, to);
    await action.run({ method: 'PATCH', path: `/dashboards/${id}`, body: { widgets } });
    answer.again();
  };
  const remove = async (): Promise<void> => {
    await action.run({ method: 'DELETE', path: `/dashboards/${id}` });
    setParams({ dashboard: undefined });
    list.again();
  };
  const close = (): void => {
    open.value = null;
  };
  return (
    <>
      <div class="grid">
        <Tile
          title={board?.name ?? 'Dashboard'}
          answer={answer}
          request={request}
          actions={
            <Select
              title="Which"
              value={id}
              options={(list.data?.dashboards ?? []).map((one) => [one.id, one.name] as const)}
              choose={(value) => setParams({ dashboard: value })}
            />
          }
        >
          {({ description }) => (
            <>
              <p>{description}</p>
              {action.problem !== undefined && <Problem problem={action.problem} />}
              {may('definitions:write') && (
                <div class="actions">
                  <button
                    type="button"
                    onClick={() => {
                      open.value = 'copy';
                    }}
                  >
                    Make a copy …
                  </button>
                  <button
                    type="button"
                    onClick={() => {
                      open.value = 'share';
                    }}
                  >
                    Share a link …
                  </button>
                  {isOwn && (
                    <>
                      <button
                        type="button"
                        onClick={() => {
                          open.value = 'edit';
                        }}
                      >
                        Edit …
                      </button>
                      <button
                        type="button"
                        onClick={() => {
                          open.value = 'remove';
                        }}
                      >
                        Delete
                      </button>
                    </>
                  )}
                </div>
              )}
            </>
          )}
        </Tile>
      </div>
      {board !== undefined && (
        <BoardGrid
          board={board}
          metrics={metrics}
          {...(isOwn ? { move: (from: number, to: number) => void move(from, to) } : {})}
        />
      )}
      {open.value === 'copy' && board !== undefined && <Copy board={board} close={close} done={list.again} />}
      {open.value === 'edit' && board !== undefined && (
        <Edit board={board} close={close} done={answer.again} />
      )}
      {open.value === 'share' && <Share id={id} close={close} />}
      {open.value === 'remove' && board !== undefined && (
        <Confirm
          question={`Delete ${board.name}?`}
          act="Delete"
          close={close}
          confirm={() => void remove()}
        />
      )}
    </>
  );
}

/** Two widgets that take each other's place. */
export function swapped(widgets: readonly Widget[], from: number, to: number): readonly Widget[] {
  const [a, b] = [widgets[from], widgets[to]];
  if (a === undefined || b === undefined) return widgets;
  const placed = (widget: Widget, at: Widget): Widget => {
    if (at.layout === undefined) return widget;
    const { w = 6, h = 4 } = widget.layout ?? {};
    return { ...widget, layout: { x: at.layout.x, y: at.layout.y, w, h } };
  };
  return widgets.map((one, at) => (at === from ? placed(a, b) : at === to ? placed(b, a) : one));
}

interface OpenProps {
  readonly board: Board;
  readonly close: () => void;
  readonly done: () => void;
}

function Copy({ board, close, done }: OpenProps) {
  const action = useAction<Board>();
  const send = async (name: string): Promise<void> => {
    const made = await action.run({ path: '/dashboards', body: { name, widgets: board.widgets } });
    if (made === undefined) return;
    done();
    close();
    setParams({ dashboard: made.id });
  };
  return (
    <NameDialog
      title="A copy that you can change"
      act="Make it"
      name={`${board.name}, mine`}
      action={action}
      send={send}
      close={close}
    />
  );
}

function Edit({ board, close, done }: OpenProps) {
  const { id, name, widgets } = board;
  const action = useAction<Board>();
  const send = async (body: unknown): Promise<void> => {
    if ((await action.run({ method: 'PATCH', path: `/dashboards/${id}`, body })) === undefined) return;
    done();
    close();
  };
  return (
    <Dialog title="Widgets" close={close}>
      <JsonForm
        act="Save"
        title="Name and widgets"
        rows={18}
        value={{ name, widgets }}
        action={action}
        send={send}
      />
    </Dialog>
  );
}

function Share({ id, close }: { readonly id: string; readonly close: () => void }) {
  const days = useSignal('30');
  const action = useAction<{ readonly url: string; readonly expires_at: string }>();
  const made = useSignal<{ readonly url: string; readonly expires_at: string } | undefined>(undefined);
  const send = async (): Promise<void> => {
    made.value = await action.run({
      path: `/dashboards/${id}/links`,
      body: { expires_in: `${days.value}d` },
    });
  };
  const token = made.value?.url.split('/').at(-1) ?? '';
  return (
    <Dialog title="A link that needs no key" close={close}>
      <Form act="Make the link" action={action} send={send}>
        <Input
          title="Days that it works"
          type="number"
          value={days.value}
          change={(value) => {
            days.value = value;
          }}
        />
      </Form>
      {made.value !== undefined && (
        <div role="status">
          <p>
            Works until {formatTime(made.value.expires_at, zone.value)}. Who has it sees this dashboard and
            nothing else.
          </p>
          <Copyable text={`${location.origin}${APP}/shared?token=${token}`} />
        </div>
      )}
    </Dialog>
  );
}
