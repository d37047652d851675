import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { type ApiProblem, type ApiRequest, ask, asProblem } from '../api/index.ts';
import { Problem } from './notes.tsx';

/** Something that the reader does: whether it runs, and what went wrong the last time. */
export interface Action<T> {
  readonly isRunning: boolean;
  readonly problem: ApiProblem | undefined;
  /** Undefined when it failed; `problem` says why. */
  readonly run: (request: ApiRequest) => Promise<T | undefined>;
}

/** Sends requests one after the other that change something; never throws. */
export function useAction<T>(): Action<T> {
  const isRunning = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const run = async (request: ApiRequest): Promise<T | undefined> => {
    isRunning.value = true;
    problem.value = undefined;
    try {
      return await ask<T>(request);
    } catch (error) {
      problem.value = asProblem(error);
      return undefined;
    } finally {
      isRunning.value = false;
    }
  };
  return { isRunning: isRunning.value, problem: problem.value, run };
}

interface FormProps {
  /** The word on the button. */
  readonly act: string;
  readonly action: Pick<Action<unknown>, 'isRunning' | 'problem'>;
  readonly send: () => unknown;
  readonly children: ComponentChildren;
}

/** Fields with one button; what the API refuses stands above it. */
export function Form({ act, action, send, children }: FormProps) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {children}
      {action.problem !== undefined && <Problem problem={action.problem} />}
      <div class="actions">
        <button type="submit" class="primary" disabled={action.isRunning}>
          {action.isRunning ? 'Working …' : act}
        </button>
      </div>
    </form>
  );
}
