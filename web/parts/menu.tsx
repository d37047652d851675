import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

interface MenuItem {
  readonly title: string;
  readonly act: () => unknown;
}

/** A button that opens a list of actions; Escape and a click elsewhere close it, arrows walk it. */
export function Menu({ label, items }: { readonly label: string; readonly items: readonly MenuItem[] }) {
  const isOpen = useSignal(false);
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen.value) return;
    const elsewhere = (event: MouseEvent): void => {
      if (!holder.current?.contains(event.target as Node)) isOpen.value = false;
    };
    document.addEventListener('click', elsewhere);
    holder.current?.querySelector<HTMLButtonElement>('[role=menuitem]')?.focus();
    return () => document.removeEventListener('click', elsewhere);
  }, [isOpen.value]);
  const onKey = (event: KeyboardEvent): void => {
    if (!isOpen.value) return;
    const all = [...(holder.current?.querySelectorAll<HTMLButtonElement>('[role=menuitem]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === 'Escape') {
      event.stopPropagation();
      isOpen.value = false;
      holder.current?.querySelector('button')?.focus();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      all[(at + (event.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length]?.focus();
    }
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys bubble up from the buttons inside
    <div class="menu" ref={holder} onKeyDown={onKey}>
      <button
        type="button"
        class="plain"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen.value}
        onClick={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="3" cy="8" r="1.4" />
          <circle cx="8" cy="8" r="1.4" />
          <circle cx="13" cy="8" r="1.4" />
        </svg>
      </button>
      {isOpen.value && (
        <div class="list" role="menu">
          {items.map(({ title, act }) => (
            <button
              key={title}
              type="button"
              role="menuitem"
              onClick={() => {
                isOpen.value = false;
                void act();
              }}
            >
              {title}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
