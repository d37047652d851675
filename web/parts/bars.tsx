import type { ComponentChildren } from 'preact';
import { Link } from './link.tsx';

/** One bar: its length is `value` of the longest. */
export interface Bar {
  readonly key: string;
  readonly title: ComponentChildren;
  readonly value: number;
  /** The value as text. */
  readonly text: string;
  /** The page that it opens: its path and parameters. */
  readonly to?: readonly [path: string, params: Readonly<Record<string, string>>];
}

/** Values side by side as bars of one scale. */
export function Bars({ bars, label }: { readonly bars: readonly Bar[]; readonly label: string }) {
  const most = Math.max(0, ...bars.map(({ value }) => Math.abs(value))) || 1;
  return (
    <ul class="bars" aria-label={label}>
      {bars.map(({ key, title, value, text, to }) => (
        <li key={key}>
          <svg class="bar" aria-hidden="true">
            <rect
              class={value < 0 ? 'negative' : ''}
              width={`${(Math.abs(value) / most) * 100}%`}
              height="100%"
              rx="5"
            />
          </svg>
          <span class="name">
            {to === undefined ? (
              title
            ) : (
              <Link to={to[0]} params={to[1]}>
                {title}
              </Link>
            )}
          </span>
          <span class="text">{text}</span>
        </li>
      ))}
    </ul>
  );
}
