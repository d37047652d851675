import type { ComponentChildren } from 'preact';
import { addressOf, go, isForBrowser } from '../state/index.ts';

interface LinkProps {
  /** Path below `/app`. */
  readonly to: string;
  readonly params?: Readonly<Record<string, string | undefined>>;
  readonly isCurrent?: boolean;
  readonly class?: string;
  readonly children: ComponentChildren;
}

/** A link to a page of the dashboard: a click stays in the page, and the address can be opened elsewhere. */
export function Link({ to, params = {}, isCurrent, class: name, children }: LinkProps) {
  return (
    <a
      href={addressOf(to, params)}
      class={name ?? ''}
      {...(isCurrent === true ? { 'aria-current': 'page' as const } : {})}
      onClick={(event) => {
        if (isForBrowser(event)) return;
        event.preventDefault();
        go(to, params);
      }}
    >
      {children}
    </a>
  );
}
