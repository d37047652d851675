import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { ApiProblem } from '../api/index.ts';

/** What the API says when it cannot answer: its sentence, its code, and the members that are wrong. */
export function Problem({ problem, again }: { readonly problem: ApiProblem; readonly again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>{problem.message}</p>
      {problem.errors.length > 0 && (
        <ul>
          {problem.errors.slice(0, 5).map(({ path, message }) => (
            <li key={path}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      <p class="code">
        <code>{problem.code}</code>
        {again !== undefined && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}

/** Nothing to show: what to send so that there is, with the line to copy. */
export function Empty({ children, line }: { readonly children: ComponentChildren; readonly line?: string }) {
  return (
    <div class="empty">
      <div>{children}</div>
      {line !== undefined && <Copyable text={line} />}
    </div>
  );
}

/** Whether a text came to the clipboard; pages that came without TLS from another host may not write to it. */
export async function copyText(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  return clipboard === undefined
    ? false
    : clipboard.writeText(text).then(
        () => true,
        () => false,
      );
}

/** A line for a shell with a button that copies it. */
export function Copyable({ text }: { readonly text: string }) {
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    if (!(await copyText(text))) return;
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, 2_000);
  };
  return (
    <div class="copyable">
      <pre tabindex={0}>{text}</pre>
      <button type="button" onClick={() => void copy()}>
        {copied.value ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

/** A word with a colour of its kind. */
export function Badge({
  kind,
  children,
}: {
  readonly kind?: 'good' | 'warn' | 'bad' | 'quiet';
  readonly children: ComponentChildren;
}) {
  return <span class={`badge ${kind ?? 'quiet'}`}>{children}</span>;
}
