import type { ComponentChildren } from 'preact';

/** One bar: its length is `value` of the longest. */
export interface Bar {
  readonly key: string;
  readonly title: ComponentChildren;
  readonly value: number;
  /** The value as text. */
  readonly text: string;
  readonly href?: string;
}

/** Values side by side as bars of one scale. */
export function Bars({ bars, label }: { readonly bars: readonly Bar[]; readonly label: string }) {
  const most = Math.max(0, ...bars.map(({ value }) => Math.abs(value))) || 1;
  return (
    <ul class="bars" aria-label={label}>
      {bars.map(({ key, title, value, text, href }) => (
        <li key={key}>
          <span class="name">{href === undefined ? title : <a href={href}>{title}</a>}</span>
          <svg class="bar" preserveAspectRatio="none" viewBox="0 0 100 10" aria-hidden="true">
            <rect class={value < 0 ? 'negative' : ''} width={(Math.abs(value) / most) * 100} height="10" />
          </svg>
          <span class="text">{text}</span>
        </li>
      ))}
    </ul>
  );
}
