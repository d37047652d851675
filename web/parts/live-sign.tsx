import type { ComponentChildren } from 'preact';

interface LiveSignProps {
  /** Whether a stream of events is open; undefined: it was not yet. */
  readonly isOpen: boolean | undefined;
  readonly children?: ComponentChildren;
}

/** Whether what is shown changes by itself. It is as wide before it is open as after. */
export function LiveSign({ isOpen, children }: LiveSignProps) {
  return (
    <span class={`live ${isOpen === undefined ? '' : isOpen ? 'on' : 'off'}`} role="status">
      {isOpen === false ? 'not connected, coming again' : 'live'}
      {children}
    </span>
  );
}
