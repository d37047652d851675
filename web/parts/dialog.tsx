import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface DialogProps {
  readonly title: string;
  readonly close: () => void;
  readonly children: ComponentChildren;
}

/** A window of its own over the page, by the browser's `dialog`: Escape closes it, and the focus comes back. */
export function Dialog({ title, close, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={element} aria-label={title} onClose={close}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => element.current?.close()}>
          ×
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  /** What happens, as a question. */
  readonly question: string;
  /** The word on the button. */
  readonly act: string;
  readonly close: () => void;
  readonly confirm: () => void;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ question, act, close, confirm }: ConfirmProps) {
  return (
    <Dialog title={question} close={close}>
      <div class="actions">
        <button type="button" onClick={close}>
          Leave it
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            confirm();
            close();
          }}
        >
          {act}
        </button>
      </div>
    </Dialog>
  );
}

interface ConfirmOneProps<T> {
  /** What is asked about; null: nothing is asked. */
  readonly of: Signal<T | null>;
  readonly question: (one: T) => string;
  readonly act: string | ((one: T) => string);
  readonly confirm: (one: T) => void;
}

/** Asks about the one of a list that the reader has chosen. */
export function ConfirmOne<T>({ of, question, act, confirm }: ConfirmOneProps<T>) {
  const one = of.value;
  if (one === null) return null;
  return (
    <Confirm
      question={question(one)}
      act={typeof act === 'string' ? act : act(one)}
      close={() => {
        of.value = null;
      }}
      confirm={() => confirm(one)}
    />
  );
}
