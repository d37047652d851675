import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { type Action, Form } from './action.tsx';
import { Dialog } from './dialog.tsx';
import { Input } from './field.tsx';

interface NameDialogProps {
  readonly title: string;
  /** The word on the button. */
  readonly act: string;
  /** A name to begin with. */
  readonly name: string;
  readonly action: Pick<Action<unknown>, 'isRunning' | 'problem'>;
  readonly send: (name: string) => unknown;
  readonly close: () => void;
  readonly children?: ComponentChildren;
}

/** Asks for the name under which something is kept. */
export function NameDialog({ title, act, name, action, send, close, children }: NameDialogProps) {
  const chosen = useSignal(name);
  return (
    <Dialog title={title} close={close}>
      <Form act={act} action={action} send={() => send(chosen.value)}>
        <Input
          title="Name"
          value={chosen.value}
          isRequired
          change={(value) => {
            chosen.value = value;
          }}
        />
      </Form>
      {children}
    </Dialog>
  );
}
