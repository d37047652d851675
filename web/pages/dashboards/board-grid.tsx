import type { Metric } from '../../answers/index.ts';
import { Tile } from '../../parts/index.ts';
import { WidgetView } from './widget-view.tsx';
import { type Board, sheetOfView, type Widget } from './widgets.ts';

interface GridProps {
  readonly board: Board;
  readonly metrics: ReadonlyMap<string, Metric>;
  /** Moves the widget of a place before another; absent where the reader may not. */
  readonly move?: (from: number, to: number) => void;
}

/** Columns that a tile may take, by the width that a layout asks for. */
const spanOf = ({ layout }: Widget): 3 | 4 | 6 | 8 | 12 => {
  const w = layout?.w ?? 6;
  if (w <= 3) return 3;
  if (w <= 4) return 4;
  return w <= 6 ? 6 : w <= 8 ? 8 : 12;
};

/** The widgets of a dashboard in the order of their layout. They are moved by dragging, or by the buttons. */
export function BoardGrid({ board, metrics, move }: GridProps) {
  const order = board.widgets
    .map((widget, at) => ({ widget, at, y: widget.layout?.y ?? at, x: widget.layout?.x ?? 0 }))
    .sort((a, b) => a.y - b.y || a.x - b.x);
  return (
    <div class="grid">
      {order.map(({ widget, at }, place) => {
        const data = board.data?.widgets[at];
        const sheet = sheetOfView(data?.view);
        const tile = (
          <Tile
            title={widget.title ?? widget.type}
            span={spanOf(widget)}
            hasPicture={widget.type === 'timeseries' && sheet !== undefined}
            {...(sheet === undefined ? {} : { sheet })}
            actions={
              move && (
                <span class="row-actions">
                  {place > 0 && (
                    <button
                      type="button"
                      aria-label={`Move ${widget.title ?? widget.type} before the one before`}
                      onClick={() => move(at, order[place - 1]?.at ?? at)}
                    >
                      ←
                    </button>
                  )}
                </span>
              )
            }
          >
            <WidgetView widget={widget} data={data} metrics={metrics} />
          </Tile>
        );
        if (move === undefined)
          return (
            <div key={String(at)} class={`cell span-${spanOf(widget)}`}>
              {tile}
            </div>
          );
        return (
          // biome-ignore lint/a11y/noStaticElementInteractions: the same is done by the button within
          <div
            key={String(at)}
            class={`cell span-${spanOf(widget)}`}
            draggable
            onDragStart={(event) => event.dataTransfer?.setData('text/plain', String(at))}
            onDragOver={(event) => event.preventDefault()}
            onDrop={(event) => {
              event.preventDefault();
              const from = Number(event.dataTransfer?.getData('text/plain'));
              if (Number.isInteger(from) && from !== at) move(from, at);
            }}
          >
            {tile}
          </div>
        );
      })}
    </div>
  );
}
