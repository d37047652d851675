import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isOfTopology, keepSession, may, session, signIn } from '../api/index.ts';
import { Empty, Input, Link } from '../parts/index.ts';
import { path, setTheme, theme } from '../state/index.ts';
import { LazyPage } from './lazy-page.tsx';
import { PAGES, type Page, pageOf } from './pages.ts';
import { RangePicker } from './range-picker.tsx';
import { Shortcuts } from './shortcuts.tsx';

const THEMES = { auto: 'light', light: 'dark', dark: 'auto' } as const;

const WAVE = 'c2.2-2.2 4.3-2.2 6.5 0s4.3 2.2 6.5 0';
const BRAND = `M1.5 4.5${WAVE}M1.5 8.5${WAVE}M1.5 12.5${WAVE}`;

function Sign({ lines }: { readonly lines: string }) {
  return (
    <svg class="icon line" viewBox="0 0 16 16" aria-hidden="true">
      <path d={lines} />
    </svg>
  );
}

function Group({ title, current }: { readonly title: Page['group']; readonly current: Page | undefined }) {
  const pages = PAGES.filter(({ group, permission }) => group === title && may(permission));
  if (pages.length === 0) return null;
  return (
    <>
      <h2 id={`nav-${title}`}>{title}</h2>
      <ul aria-labelledby={`nav-${title}`}>
        {pages.map((page) => (
          <li key={page.path}>
            <Link to={page.path} isCurrent={page === current}>
              <Sign lines={page.sign} />
              {page.title}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Who is signed in, the tenant, and the theme. */
function Account() {
  const who = session.value;
  if (who === null) return null;
  const choose = (tenant: string): void => {
    if (tenant !== '' && tenant !== who.tenant) signIn(who.key, tenant).catch(() => undefined);
  };
  return (
    <div class="account">
      {who.isForAll ? <Input title="Tenant" value={who.tenant} change={choose} /> : <p>{who.tenant}</p>}
      <p>{isOfTopology ? `topology ${who.name}` : `${who.name} · ${who.role}`}</p>
      <div class="row">
        <button type="button" class="plain" onClick={() => setTheme(THEMES[theme.value])}>
          Theme: {theme.value}
        </button>
        {who.key !== '' && (
          <button type="button" class="plain" onClick={() => keepSession(null)}>
            Sign out
          </button>
        )}
      </div>
    </div>
  );
}

/** The menu, the range, and the page that is open. */
export function Shell() {
  const page = pageOf(path.value);
  const isMenuOpen = useSignal(false);
  const title = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${page?.title ?? 'Not found'} · Millrace`;
    isMenuOpen.value = false;
    // Readers who do not see the page change hear it; the first page is read from its top.
    if (!isFirst.current) title.current?.focus();
    isFirst.current = false;
  }, [page?.path]);
  return (
    <div class={`shell${isMenuOpen.value ? ' open' : ''}`}>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <nav aria-label="Pages" id="menu">
        <Link to="/" class="brand">
          <Sign lines={BRAND} />
          Millrace
        </Link>
        <Group title="Look" current={page} />
        <Group title="Operate" current={page} />
        <Account />
      </nav>
      <div class="body">
        <header class="top">
          <button
            type="button"
            class="plain menu-button"
            aria-expanded={isMenuOpen.value}
            aria-controls="menu"
            onClick={() => {
              isMenuOpen.value = !isMenuOpen.value;
            }}
          >
            Menu
          </button>
          <h1 ref={title} tabindex={-1}>
            {page?.title ?? 'Not found'}
          </h1>
          <RangePicker hasRange={page?.hasRange ?? false} />
        </header>
        <main id="main" tabindex={-1}>
          {page === undefined ? (
            <Empty>
              There is no such page. <Link to="/">Overview</Link>
            </Empty>
          ) : (
            <LazyPage key={page.path} page={page} />
          )}
        </main>
      </div>
      <Shortcuts />
    </div>
  );
}
