import type { ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useState } from 'preact/hooks';
import { ApiProblem, may } from '../api/index.ts';
import { Empty, Problem } from '../parts/index.ts';
import type { Page } from './pages.ts';

const loaded = new Map<string, ComponentType>();

/** Loads a page when it is first opened, and says why where it cannot be shown. */
export function LazyPage({ page }: { readonly page: Page }) {
  const [, setTurn] = useState(0);
  const [problem, setProblem] = useState<ApiProblem | undefined>(undefined);
  const [failure, forget] = useErrorBoundary((error: unknown) => console.error(error));
  const isAllowed = may(page.permission);
  useEffect(() => {
    setProblem(undefined);
    forget();
    if (loaded.has(page.path) || !isAllowed) return;
    page.load().then(
      (module) => {
        loaded.set(page.path, module.default);
        setTurn((before) => before + 1);
      },
      () =>
        setProblem(
          new ApiProblem('page_not_loaded', 0, 'This page could not be loaded. Load the whole again.'),
        ),
    );
  }, [page.path, isAllowed]);
  if (!isAllowed) {
    return (
      <Empty>
        Your role does not allow this page: it needs <code>{page.permission}</code>.
      </Empty>
    );
  }
  if (failure !== undefined) {
    return (
      <Problem
        problem={new ApiProblem('page_failed', 0, `This page failed: ${String(failure)}`)}
        again={forget}
      />
    );
  }
  if (problem !== undefined) return <Problem problem={problem} again={() => location.reload()} />;
  const Found = loaded.get(page.path);
  return Found === undefined ? <div class="waiting" role="status" aria-label="Loading" /> : <Found />;
}
