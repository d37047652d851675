import { useSignal } from '@preact/signals';
import { ApiProblem } from '../api/index.ts';
import { type Action, Area, Check, Fields, Form, Input, type Options, Select } from '../parts/index.ts';
import { type Body, filtersText, memberOf, withMember, writtenFilters } from './body.ts';

/** How a member of a definition is written in a form. */
export interface FormField {
  /** Names with dots between them, from the outside. */
  readonly path: string;
  readonly title: string;
  readonly hint?: string;
  /** `list`: texts with commas between them. `filters`: `country=DE; channel!=email`. Default: text. */
  readonly kind?: 'text' | 'number' | 'list' | 'filters' | 'check';
  /** Values to choose from; '' is none. */
  readonly options?: Options;
  /** Values that are offered where others can be written too. */
  readonly offers?: readonly string[];
  /** What stands where nothing is said. */
  readonly fallback?: string | boolean;
  readonly isRequired?: boolean;
  readonly isWide?: boolean;
  /** Only of a definition that is made: it does not change. */
  readonly isFixed?: boolean;
  /** Default: of every definition. */
  readonly isFor?: (body: Body) => boolean;
  /** How a member that is no plain value is read and written. */
  readonly read?: (body: Body) => string;
  readonly write?: (body: Body, text: string) => Body;
}

const list = (text: string): readonly string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');

function textOf(field: FormField, body: Body): string {
  if (field.read !== undefined) return field.read(body);
  const value = memberOf(body, field.path);
  if (value === undefined || value === null) return typeof field.fallback === 'string' ? field.fallback : '';
  if (field.kind === 'filters') return filtersText(value);
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function written(field: FormField, body: Body, text: string): Body {
  if (field.write !== undefined) return field.write(body, text);
  const value = text.trim();
  const of = {
    // What is no number is sent as it is written: the API says what is wrong with it.
    number: Number.isFinite(Number(value)) ? Number(value) : value,
    list: list(value),
    filters: writtenFilters(value),
    text: value,
    check: value,
  };
  return withMember(body, field.path, value === '' ? undefined : of[field.kind ?? 'text']);
}

function One({ field, body, change }: { field: FormField; body: Body; change: (body: Body) => void }) {
  const { title, hint, kind = 'text', options, offers, isRequired = false, isWide = false } = field;
  if (kind === 'check') {
    const isOn = memberOf(body, field.path) ?? field.fallback ?? false;
    return (
      <Check title={title} isOn={isOn === true} turn={(is) => change(withMember(body, field.path, is))} />
    );
  }
  const shared = { title, isWide, ...(hint === undefined ? {} : { hint }), value: textOf(field, body) };
  const set = (text: string): void => change(written(field, body, text));
  if (options !== undefined) {
    // Another name of a metric, say, is none of the choices, and stays.
    const isKnown = options.some(([one]) => one === shared.value);
    const all: Options = isKnown ? options : [[shared.value, shared.value], ...options];
    return <Select {...shared} options={all} choose={set} />;
  }
  return (
    <Input {...shared} {...(offers === undefined ? {} : { offers })} isRequired={isRequired} change={set} />
  );
}

interface DefinitionFormProps {
  readonly act: string;
  readonly fields: readonly FormField[];
  readonly value: Body;
  /** Whether it is there already, so that some of it is fixed. */
  readonly isThere: boolean;
  /** What the JSON is of, e.g. `POST /alerts`. */
  readonly request: string;
  readonly action: Pick<Action<unknown>, 'isRunning' | 'problem'>;
  readonly send: (body: Body) => unknown;
}

/** A definition by its fields, or, for experts, as the JSON that it is; what one way says stands in the other. */
export function DefinitionForm(props: DefinitionFormProps) {
  const { act, fields, isThere, request, action, send } = props;
  const body = useSignal<Body>(props.value);
  const isJson = useSignal(fields.length === 0);
  const text = useSignal(JSON.stringify(props.value, null, 2));
  const wrong = useSignal<ApiProblem | undefined>(undefined);
  /** The body as it stands; undefined where the JSON cannot be read. */
  const current = (): Body | undefined => {
    wrong.value = undefined;
    if (!isJson.value) return body.value;
    try {
      return JSON.parse(text.value) as Body;
    } catch (error) {
      wrong.value = new ApiProblem('not_json', 0, `This is not JSON: ${String(error)}`);
      return undefined;
    }
  };
  const turn = (): void => {
    const now = current();
    if (now === undefined) return;
    body.value = now;
    text.value = JSON.stringify(now, null, 2);
    isJson.value = !isJson.value;
  };
  const shown = fields.filter(({ isFor, isFixed }) => (isFor?.(body.value) ?? true) && !(isThere && isFixed));
  return (
    <Form
      act={act}
      action={{ ...action, problem: wrong.value ?? action.problem }}
      send={() => {
        const now = current();
        return now === undefined ? undefined : send(now);
      }}
    >
      {isJson.value ? (
        <Area
          title="Definition"
          hint={`The body of ${request}; /docs says what it takes.`}
          rows={14}
          value={text.value}
          change={(changed) => {
            text.value = changed;
          }}
        />
      ) : (
        <Fields>
          {shown.map((field) => (
            <One
              key={field.path + field.title}
              field={field}
              body={body.value}
              change={(next) => {
                body.value = next;
              }}
            />
          ))}
        </Fields>
      )}
      {fields.length > 0 && (
        <p class="turn">
          <button type="button" class="plain" onClick={turn}>
            {isJson.value ? 'As a form' : 'As JSON'}
          </button>
        </p>
      )}
    </Form>
  );
}
