import { useSignal } from '@preact/signals';
import { type ApiRequest, may, useAnswer } from '../api/index.ts';
import {
  type Column,
  ConfirmOne,
  Dialog,
  Empty,
  JsonForm,
  Problem,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../parts/index.ts';

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
  readonly template?: unknown;
  /** What to say where there is none. */
  readonly none: string;
  readonly span?: 6 | 8 | 12;
}

/** A list of definitions with what can be done with each, and a dialog that makes another from JSON. */
export function Definitions(props: DefinitionsProps) {
  return props.seen === undefined || may(props.seen) ? <List {...props} /> : null;
}

function List(props: DefinitionsProps) {
  const { title, path, member, permission, columns = [], acts = [], template, none, span } = props;
  const request = { path, params: { limit: 200 } };
  const answer = useAnswer<Readonly<Record<string, readonly Definition[]>>>(request);
  const action = useAction<unknown>();
  const removing = useSignal<Definition | null>(null);
  const isMaking = useSignal(false);
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
              isMaking.value = true;
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
          {isMaking.value && (
            <Make
              title={title}
              path={path}
              template={template}
              close={() => {
                isMaking.value = false;
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

interface MakeProps {
  readonly title: string;
  readonly path: string;
  readonly template: unknown;
  readonly close: () => void;
}

function Make({ title, path, template, close }: MakeProps) {
  const action = useAction<unknown>();
  const send = async (body: unknown): Promise<void> => {
    if ((await action.run({ path, body })) !== undefined) close();
  };
  return (
    <Dialog title={`${title}: a new one`} close={close}>
      <JsonForm
        act="Make"
        title="Definition"
        hint={`The body of POST ${path}; /docs says what it takes.`}
        rows={14}
        value={template}
        action={action}
        send={send}
      />
    </Dialog>
  );
}
