import { useSignal } from '@preact/signals';
import { type ApiRequest, may, useAnswer } from '../api/index.ts';
import {
  type Column,
  ConfirmOne,
  Dialog,
  Empty,
  Problem,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../parts/index.ts';
import { type Body, patchOf } from './body.ts';
import { DefinitionForm, type FormField } from './definition-form.tsx';

/** What every stored definition has. */
export interface Definition {
  readonly id: string;
  readonly name: string;
  readonly [member: string]: unknown;
}

/** Something to do with one definition. */
export interface DefinitionAct {
  readonly title: string;
  readonly request: (one: Definition) => ApiRequest;
  /** Default: always. */
  readonly isFor?: (one: Definition) => boolean;
}

interface DefinitionsProps {
  /** In the plural, e.g. `Connectors`. */
  readonly title: string;
  /** Of the list, e.g. `/connectors`; one is below it by its id. */
  readonly path: string;
  /** The member of the answer that has them. */
  readonly member: string;
  /** What seeing them needs; default: what the page needs. */
  readonly seen?: string;
  /** What making and removing needs. */
  readonly permission: string;
  readonly columns?: readonly Column<Definition>[];
  readonly acts?: readonly DefinitionAct[];
  /** A new one to begin with; undefined where none is made here. */
  readonly template?: Body;
  /** Of the form in which one is made and changed; without any it is JSON. */
  readonly fields?: readonly FormField[];
  /** What to say where there is none. */
  readonly none: string;
  readonly span?: 6 | 8 | 12;
}

/** A list of definitions with what can be done with each, and a dialog that makes another from JSON. */
export function Definitions(props: DefinitionsProps) {
  return props.seen === undefined || may(props.seen) ? <List {...props} /> : null;
}

function List(props: DefinitionsProps) {
  const {
    title,
    path,
    member,
    permission,
    columns = [],
    acts = [],
    template,
    none,
    span,
    fields = [],
  } = props;
  const request = { path, params: { limit: 200 } };
  const answer = useAnswer<Readonly<Record<string, readonly Definition[]>>>(request);
  const action = useAction<unknown>();
  const removing = useSignal<Definition | null>(null);
  /** What is made or changed in the dialog; null: nothing. */
  const open = useSignal<Definition | 'new' | null>(null);
  const mayChange = may(permission);
  const act = async (one: ApiRequest): Promise<void> => {
    await action.run(one);
    answer.again();
  };
  const all: Column<Definition>[] = [{ title: 'Name', value: ({ name }) => name }, ...columns];
  const shown: Column<Definition>[] = [
    ...all,
    {
      title: 'Actions',
      value: () => '',
      show: (one) => (
        <span class="row-actions">
          {acts
            .filter(({ isFor }) => isFor?.(one) ?? true)
            .map(({ title: name, request: of }) => (
              <button key={name} type="button" disabled={action.isRunning} onClick={() => void act(of(one))}>
                {name}
              </button>
            ))}
          {template !== undefined && (
            <button
              type="button"
              onClick={() => {
                open.value = one;
              }}
            >
              Edit
            </button>
          )}
          <button
            type="button"
            onClick={() => {
              removing.value = one;
            }}
          >
            Delete
          </button>
        </span>
      ),
    },
  ];
  return (
    <Tile
      title={title}
      answer={answer}
      request={request}
      {...(span === undefined ? {} : { span })}
      sheet={(data) => sheetOf(all, data[member] ?? [])}
      actions={
        mayChange &&
        template !== undefined && (
          <button
            type="button"
            onClick={() => {
              open.value = 'new';
            }}
          >
            New …
          </button>
        )
      }
    >
      {(data) => (
        <>
          {action.problem !== undefined && <Problem problem={action.problem} />}
          {(data[member] ?? []).length === 0 ? (
            <Empty>{none}</Empty>
          ) : (
            <Table
              label={title}
              columns={mayChange ? shown : all}
              rows={data[member] ?? []}
              keyOf={({ id }) => id}
            />
          )}
          {open.value !== null && template !== undefined && (
            <Write
              {...{ title, path, fields }}
              template={template}
              one={open.value === 'new' ? undefined : open.value}
              close={() => {
                open.value = null;
                answer.again();
              }}
            />
          )}
          <ConfirmOne
            of={removing}
            question={({ name }) => `Delete ${name}?`}
            act="Delete"
            confirm={({ id }) => void act({ method: 'DELETE', path: `${path}/${id}` })}
          />
        </>
      )}
    </Tile>
  );
}

interface WriteProps {
  readonly title: string;
  readonly path: string;
  readonly template: Body;
  readonly fields: readonly FormField[];
  /** Undefined: a new one. */
  readonly one: Definition | undefined;
  readonly close: () => void;
}

/** Members that nobody writes. */
const FIXED: ReadonlySet<string> = new Set(['id', 'revision', 'created_at', 'updated_at', 'created_by']);

const ownOf = (one: Definition): Body =>
  Object.fromEntries(Object.entries(one).filter(([name]) => !FIXED.has(name)));

/** Makes a definition, or changes one: only what was changed is sent, and the rest stays. */
function Write({ title, path, template, fields, one, close }: WriteProps) {
  const action = useAction<unknown>();
  const value = one === undefined ? template : ownOf(one);
  const send = async (body: Body): Promise<void> => {
    const changed = { method: 'PATCH', path: `${path}/${one?.id}`, body: patchOf(value, body) } as const;
    const request: ApiRequest = one === undefined ? { path, body } : changed;
    if ((await action.run(request)) !== undefined) close();
  };
  return (
    <Dialog title={one === undefined ? `${title}: a new one` : one.name} close={close}>
      <DefinitionForm
        {...{ fields, value, action, send }}
        act={one === undefined ? 'Make' : 'Change'}
        isThere={one !== undefined}
        request={`${one === undefined ? 'POST' : 'PATCH'} ${path}`}
      />
    </Dialog>
  );
}
