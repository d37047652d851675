import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { may } from '../api/index.ts';
import { Dialog } from '../parts/index.ts';
import { go, setParams } from '../state/index.ts';
import { PAGES } from './pages.ts';

/** How long after `g` the second key may come, ms. */
const SECOND_KEY_MS = 1_500;
const RANGES = { 1: 'today', 2: 'last_7d', 3: 'last_30d', 4: 'last_90d', 5: 'last_365d' } as const;
/** An id of an event, order or definition: its page opens when it is pasted outside a field. */
const ID = /^[A-Za-z0-9._:-]{6,128}$/;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Keys that go to pages and ranges; `?` lists them. None is taken from the browser: all are single letters. */
export function Shortcuts() {
  const isOpen = useSignal(false);
  useEffect(() => {
    let g_at = Number.NEGATIVE_INFINITY;
    const onKey = (event: KeyboardEvent): void => {
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector('dialog[open]') !== null) return;
      if (event.key === '?') isOpen.value = true;
      else if (event.key === 'g') g_at = event.timeStamp;
      else if (event.timeStamp - g_at < SECOND_KEY_MS) {
        g_at = Number.NEGATIVE_INFINITY;
        const page = PAGES.find(({ shortcut, permission }) => shortcut === event.key && may(permission));
        if (page !== undefined) go(page.path);
      } else if (event.key in RANGES) {
        setParams({
          range: RANGES[event.key as unknown as keyof typeof RANGES],
          start: undefined,
          end: undefined,
        });
      }
    };
    const onPaste = (event: ClipboardEvent): void => {
      if (isTyping(event.target)) return;
      const text = event.clipboardData?.getData('text').trim() ?? '';
      if (ID.test(text)) go('/events', { id: text });
    };
    document.addEventListener('keydown', onKey);
    document.addEventListener('paste', onPaste);
    return () => {
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('paste', onPaste);
    };
  }, []);
  if (!isOpen.value) return null;
  return (
    <Dialog
      title="Shortcuts"
      close={() => {
        isOpen.value = false;
      }}
    >
      <dl class="shortcuts">
        {PAGES.filter(({ shortcut, permission }) => shortcut !== undefined && may(permission)).map((page) => (
          <div key={page.path}>
            <dt>
              <kbd>g</kbd> <kbd>{page.shortcut}</kbd>
            </dt>
            <dd>{page.title}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>1</kbd> to <kbd>5</kbd>
          </dt>
          <dd>today, 7, 30, 90, 365 days</dd>
        </div>
        <div>
          <dt>paste</dt>
          <dd>an id anywhere: its page</dd>
        </div>
        <div>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>this list</dd>
        </div>
      </dl>
    </Dialog>
  );
}
