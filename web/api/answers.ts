import { useEffect, useState } from 'preact/hooks';
import { ApiProblem } from './problem.ts';
import { type ApiRequest, ask, methodOf, urlOf } from './request.ts';
import { session } from './session.ts';

/** How fresh and complete an answer is, as every answer of the API says it. */
export interface AnswerMeta {
  readonly watermark?: string | null;
  readonly complete_until?: string | null;
  readonly staleness_ms?: number | null;
  readonly lag_messages?: number | null;
  readonly late_events?: number;
  readonly timezone?: string;
  readonly granularity?: string;
  readonly approximate?: readonly string[];
  readonly warnings?: readonly (string | { readonly code?: string; readonly message?: string })[];
}

/** What a component knows of what it asked. An old answer stays while a new one comes. */
export interface Answered<T> {
  readonly data: T | undefined;
  /** When `data` came, ms since 1970. */
  readonly at_ms: number | undefined;
  readonly problem: ApiProblem | undefined;
  readonly isLoading: boolean;
  /** Asks again. */
  readonly again: () => void;
}

interface Kept {
  readonly data: unknown;
  readonly at_ms: number;
}

/** Answers kept to be shown at once when the same is asked again; the oldest leave. */
const KEPT_MAX_ANSWERS = 200;
const kept = new Map<string, Kept>();

function keep(name: string, data: unknown): Kept {
  const value = { data, at_ms: Date.now() };
  kept.delete(name);
  kept.set(name, value);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX_ANSWERS) break;
    kept.delete(oldest);
  }
  return value;
}

/** Forgets what was answered: another key or tenant sees nothing of it. */
export function forgetAnswers(): void {
  kept.clear();
}

const nameOf = (request: ApiRequest): string =>
  `${session.value?.tenant ?? ''} ${methodOf(request)} ${urlOf(request)} ${JSON.stringify(request.body ?? null)}`;

/** As a problem: what was thrown elsewhere, e.g. an answer that is no JSON, is one too. */
export function asProblem(error: unknown): ApiProblem {
  return error instanceof ApiProblem ? error : new ApiProblem('unexpected', 0, String(error));
}

/**
 * Asks the API whenever the request changes (by its text), and every `refresh_ms` while the page is seen. Null asks
 * nothing.
 */
export function useAnswer<T>(
  request: ApiRequest | null,
  { refresh_ms }: { readonly refresh_ms?: number } = {},
): Answered<T> {
  const name = request === null ? '' : nameOf(request);
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<{ name: string; problem?: ApiProblem; isLoading: boolean }>({
    name,
    isLoading: request !== null,
  });
  useEffect(() => {
    if (request === null) return;
    const left = new AbortController();
    setState({ name, isLoading: true });
    ask(request, left.signal).then(
      (data) => {
        if (left.signal.aborted) return;
        keep(name, data);
        setState({ name, isLoading: false });
      },
      (error: unknown) => {
        if (!left.signal.aborted) setState({ name, isLoading: false, problem: asProblem(error) });
      },
    );
    return () => left.abort();
  }, [name, turn]);
  useEffect(() => {
    if (request === null || refresh_ms === undefined) return;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setTurn((before) => before + 1);
    }, refresh_ms);
    return () => clearInterval(timer);
  }, [name, refresh_ms]);
  const known = kept.get(name);
  const isOwn = state.name === name;
  return {
    data: known?.data as T | undefined,
    at_ms: known?.at_ms,
    problem: isOwn ? state.problem : undefined,
    isLoading: request !== null && (!isOwn || state.isLoading),
    again: () => setTurn((before) => before + 1),
  };
}
