import { useEffect, useState } from 'preact/hooks';
import { type ApiProblem, asProblem, BASE, problemOf } from '../../api/index.ts';
import { Problem } from '../../parts/index.ts';
import { place } from '../../state/index.ts';
import { type Board, BoardGrid } from '../dashboards/index.ts';

const NONE = new Map<string, never>();

/** A dashboard behind a signed link: read without a key, and nothing else can be. */
export function Shared() {
  const { token = '' } = place.value.params;
  const [board, setBoard] = useState<Board | undefined>(undefined);
  const [problem, setProblem] = useState<ApiProblem | undefined>(undefined);
  useEffect(() => {
    const left = new AbortController();
    const read = async (): Promise<void> => {
      const response = await fetch(`${BASE}/shared/dashboards/${encodeURIComponent(token)}`, {
        signal: left.signal,
      });
      if (!response.ok) throw await problemOf(response);
      setBoard((await response.json()) as Board);
    };
    read().catch((error: unknown) => {
      if (!left.signal.aborted) setProblem(asProblem(error));
    });
    return () => left.abort();
  }, [token]);
  return (
    <main class="shared">
      <h1>{board?.name ?? 'A shared dashboard'}</h1>
      {problem !== undefined && <Problem problem={problem} />}
      {board !== undefined && <BoardGrid board={board} metrics={NONE} />}
    </main>
  );
}
