import { useSignal } from '@preact/signals';
import type { ComponentChildren, TargetedEvent } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  readonly title: string;
  readonly hint?: string;
  /** Takes the room that is left beside others. */
  readonly isWide?: boolean;
}

/** Choices of a select: value and title. */
export type Options = readonly (readonly [value: string, title: string])[];

interface SelectProps extends FieldProps {
  readonly value: string;
  readonly options: Options;
  readonly choose: (value: string) => void;
}

/** One of several. */
export function Select({ title, hint, isWide, value, options, choose }: SelectProps) {
  const id = useId();
  return (
    <div class={isWide === true ? 'field wide' : 'field'}>
      <label for={id}>{title}</label>
      <select id={id} value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
      {hint !== undefined && <small>{hint}</small>}
    </div>
  );
}

interface InputProps extends FieldProps {
  readonly value: string;
  readonly type?: 'text' | 'number' | 'date' | 'password';
  readonly placeholder?: string;
  /** Values that are offered. */
  readonly offers?: readonly string[];
  readonly isRequired?: boolean;
  /** A few letters. */
  readonly isShort?: boolean;
  readonly change: (value: string) => void;
}

type TextEvent = TargetedEvent<HTMLInputElement | HTMLTextAreaElement>;

/** What is being written stays, though the page is drawn anew meanwhile; it counts when the reader leaves it. */
function useDraft(value: string, change: (value: string) => void) {
  const draft = useSignal<string | null>(null);
  return {
    value: draft.value ?? value,
    onInput: (event: TextEvent) => {
      draft.value = event.currentTarget.value;
    },
    onChange: (event: TextEvent) => {
      draft.value = null;
      change(event.currentTarget.value);
    },
    // Typed back to what it was, it is no change for the browser: nothing is being written any more all the same.
    onBlur: () => {
      draft.value = null;
    },
  };
}

/** A line of text, a number or a date; it changes when the reader leaves it or presses Enter. */
export function Input({
  title,
  hint,
  isWide,
  isShort,
  value,
  type = 'text',
  placeholder,
  offers,
  isRequired,
  change,
}: InputProps) {
  const id = useId();
  const draft = useDraft(value, change);
  const all = {
    ...{ id, ...draft, placeholder: placeholder ?? '', required: isRequired ?? false, spellcheck: false },
  };
  return (
    <div class={`field${isWide === true ? ' wide' : ''}${isShort === true ? ' short' : ''}`}>
      <label for={id}>{title}</label>
      {offers === undefined ? (
        // The types of attributes know one kind of input at a time; these members are in all of them.
        <input {...all} {...({ type } as { type: 'text' })} autocomplete="off" />
      ) : (
        <>
          <input {...all} type="text" autocomplete="off" list={`${id}-offers`} />
          <datalist id={`${id}-offers`}>
            {offers.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
      {hint !== undefined && <small>{hint}</small>}
    </div>
  );
}

interface AreaProps extends FieldProps {
  readonly value: string;
  readonly rows?: number;
  readonly change: (value: string) => void;
}

/** Several lines, e.g. JSON. */
export function Area({ title, hint, value, rows = 8, change }: AreaProps) {
  const id = useId();
  const draft = useDraft(value, change);
  return (
    <div class="field full">
      <label for={id}>{title}</label>
      <textarea id={id} rows={rows} spellcheck={false} {...draft} />
      {hint !== undefined && <small>{hint}</small>}
    </div>
  );
}

interface CheckProps {
  readonly title: string;
  readonly isOn: boolean;
  readonly turn: (isOn: boolean) => void;
}

/** On or off. */
export function Check({ title, isOn, turn }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={isOn} onChange={(event) => turn(event.currentTarget.checked)} />
      {title}
    </label>
  );
}

/** Fields side by side. */
export function Fields({ children }: { readonly children: ComponentChildren }) {
  return <div class="fields">{children}</div>;
}
