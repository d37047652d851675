import { useEffect } from 'preact/hooks';
import { ask, forgetAnswers, isOfTopology, session, signInToTopology } from '../api/index.ts';
import { newest, now, path, tenantZone } from '../state/index.ts';
import { LazyPage } from './lazy-page.tsx';
import { pageOf, SHARED } from './pages.ts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in.tsx';

const MINUTE_MS = 60_000;

/** What every page needs to know of the tenant: its zone, and when its newest event was. */
async function learn(signal: AbortSignal): Promise<void> {
  const settings = ask<{ readonly timezone: string }>({ path: '/settings' }, signal);
  const answer = ask<{ readonly meta: { readonly watermark: string | null } }>(
    { path: '/kpis/summary', params: { metrics: 'orders_count' } },
    signal,
  );
  tenantZone.value = (await settings).timezone;
  const { watermark } = (await answer).meta;
  newest.value = watermark === null ? null : Date.parse(watermark);
}

/** Where a topology asks for no token, nobody has to give one. */
async function lookAround(): Promise<void> {
  await signInToTopology('').catch(() => undefined);
}

/** The dashboard: sign in first, then the pages. */
export function App() {
  const who = session.value;
  const name = who === null ? '' : `${who.key} ${who.tenant}`;
  useEffect(() => {
    const timer = setInterval(() => {
      now.value = Date.now();
    }, MINUTE_MS / 6);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    forgetAnswers();
    newest.value = undefined;
    if (isOfTopology) {
      newest.value = null;
      if (name === '') void lookAround();
      return;
    }
    if (name === '') return;
    // The page's script comes while its range is asked for; a page that cannot be loaded says so itself.
    pageOf(path.value)
      ?.load()
      .catch(() => undefined);
    const left = new AbortController();
    learn(left.signal).catch(() => {
      // Pages say themselves what cannot be asked.
      if (!left.signal.aborted) newest.value = null;
    });
    return () => left.abort();
  }, [name]);
  if (path.value === SHARED.path) return <LazyPage page={SHARED} />;
  if (who === null) return <SignIn />;
  // Until it is known where the data lie, a range would be asked for that is thrown away at once.
  return newest.value === undefined ? (
    <div class="waiting whole" role="status" aria-label="Loading" />
  ) : (
    <Shell />
  );
}
