import { useSignal } from '@preact/signals';
import { ApiProblem } from '../api/index.ts';
import { type Action, Form } from './action.tsx';
import { Area } from './field.tsx';

interface JsonFormProps {
  /** The word on the button. */
  readonly act: string;
  readonly title: string;
  readonly hint?: string;
  readonly rows?: number;
  /** What is there to begin with. */
  readonly value: unknown;
  readonly action: Pick<Action<unknown>, 'isRunning' | 'problem'>;
  /** `isTouched`: the reader has written something since it was shown. */
  readonly send: (body: unknown, isTouched: boolean) => unknown;
}

/** What one may send: the body as it stands, or a problem that says where it is no JSON. */
function parsed(text: string): { readonly body: unknown } | { readonly problem: ApiProblem } {
  try {
    return { body: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: new ApiProblem('not_json', 0, `This is not JSON: ${String(error)}`) };
  }
}

/** One field of JSON with a button; what is no JSON is not sent. */
export function JsonForm({ act, title, hint, rows, value, action, send }: JsonFormProps) {
  const text = useSignal<string | null>(null);
  const wrong = useSignal<ApiProblem | undefined>(undefined);
  const shown = text.value ?? JSON.stringify(value, null, 2);
  const read = (): unknown => {
    const result = parsed(shown);
    wrong.value = 'problem' in result ? result.problem : undefined;
    return 'body' in result ? send(result.body, text.value !== null) : undefined;
  };
  return (
    <Form act={act} action={{ ...action, problem: wrong.value ?? action.problem }} send={read}>
      <Area
        title={title}
        {...(hint === undefined ? {} : { hint })}
        {...(rows === undefined ? {} : { rows })}
        value={shown}
        change={(changed) => {
          text.value = changed;
        }}
      />
    </Form>
  );
}
