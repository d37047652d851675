import { computed, signal } from '@preact/signals';

/** Where the dashboard lies on its host. */
export const APP = '/app';

/** What is shown: the path below `/app`, and the parameters of the address, which are the state of the page. */
export interface Place {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

function read(): Place {
  const path = location.pathname.startsWith(APP) ? location.pathname.slice(APP.length) : '/';
  const clean = path.replace(/\/+$/, '');
  return {
    path: clean === '' ? '/' : clean,
    params: Object.fromEntries(new URLSearchParams(location.search)),
  };
}

export const place = signal<Place>(read());
export const path = computed(() => place.value.path);

if (typeof window !== 'undefined') {
  window.addEventListener('popstate', () => {
    place.value = read();
  });
}

type Params = Readonly<Record<string, string | undefined>>;

/** Parameters that go with the reader from page to page: the range that they look at. */
const KEPT = ['range', 'start', 'end', 'zone', 'compare'] as const;

/** The address of a place; the range stays where the parameters name none. */
export function addressOf(to: string, params: Params = {}): string {
  const all = new URLSearchParams();
  for (const name of KEPT) {
    const value = place.value.params[name];
    if (value !== undefined && !(name in params)) all.set(name, value);
  }
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== '') all.set(name, value);
  }
  const text = all.toString();
  return `${APP}${to}${text === '' ? '' : `?${text}`}`;
}

/** Goes to a page. */
export function go(to: string, params: Params = {}): void {
  history.pushState(null, '', addressOf(to, params));
  place.value = read();
  window.scrollTo(0, 0);
}

/** Changes parameters of the page that is shown; undefined or '' takes one away. The address can be shared. */
export function setParams(changes: Params, { replace = false }: { readonly replace?: boolean } = {}): void {
  const address = addressOf(path.value, { ...place.value.params, ...changes });
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  place.value = read();
}

/** Whether a click on a link is to be left to the browser: another tab, a download. */
export const isForBrowser = (event: MouseEvent): boolean =>
  event.defaultPrevented ||
  event.button !== 0 ||
  event.metaKey ||
  event.ctrlKey ||
  event.shiftKey ||
  event.altKey;
