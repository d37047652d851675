import { useSignal } from '@preact/signals';
import { type Body, DefinitionForm, type FormField, patchOf } from '../../answers/index.ts';
import { may, useAnswer } from '../../api/index.ts';
import {
  Badge,
  type Column,
  ConfirmOne,
  Copyable,
  Empty,
  Fields,
  Form,
  formatTime,
  Input,
  Problem,
  Select,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { place, setParams, zone } from '../../state/index.ts';

interface Key {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly status: string;
  readonly tenants: unknown;
  readonly created_at: string;
  readonly expires_at: string | null;
}

interface Entry {
  readonly id: string;
  readonly at: string;
  readonly actor: { readonly name: string | null; readonly role: string | null };
  readonly action: string;
  readonly operation: string;
  readonly resource: string;
  readonly outcome: { readonly status: number; readonly code: string | null };
}

const AUDIT: readonly Column<Entry>[] = [
  { title: 'When', value: ({ at }) => at, show: ({ at }) => formatTime(at, zone.value, true) },
  { title: 'Who', value: ({ actor }) => actor.name ?? '' },
  { title: 'Role', value: ({ actor }) => actor.role ?? '' },
  { title: 'Did', value: ({ action }) => action },
  { title: 'Operation', value: ({ operation }) => operation },
  { title: 'What', value: ({ resource }) => resource },
  { title: 'Answer', isNumber: true, value: ({ outcome }) => outcome.status },
];

/** Keys, roles, settings and the audit log. */
export function Access() {
  return (
    <div class="grid">
      {may('keys:manage') && <Keys />}
      <Roles />
      <Settings />
      {may('audit:manage') && <Audit />}
    </div>
  );
}

function Keys() {
  const request = { path: '/keys', params: { limit: 200 } };
  const answer = useAnswer<{ readonly keys: readonly Key[] }>(request);
  const action = useAction<unknown>();
  const making = useAction<{ readonly key: string }>();
  const [name, role] = [useSignal(''), useSignal('viewer')];
  const made = useSignal<string | null>(null);
  const revoking = useSignal<Key | null>(null);
  const make = async (): Promise<void> => {
    const key = await making.run({ path: '/keys', body: { name: name.value, role: role.value } });
    made.value = key?.key ?? null;
    answer.again();
  };
  const revoke = async ({ id }: Key): Promise<void> => {
    await action.run({ method: 'DELETE', path: `/keys/${id}` });
    answer.again();
  };
  const columns: readonly Column<Key>[] = [
    { title: 'Name', value: (key) => key.name },
    { title: 'Role', value: (key) => key.role },
    {
      ...{ title: 'State', value: ({ status }) => status },
      show: ({ status }) => <Badge kind={status === 'active' ? 'good' : 'quiet'}>{status}</Badge>,
    },
    {
      ...{ title: 'Made', value: ({ created_at }) => created_at },
      show: ({ created_at }) => formatTime(created_at, zone.value),
    },
    {
      ...{ title: 'Ends', value: ({ expires_at }) => expires_at },
      show: ({ expires_at }) => (expires_at === null ? 'never' : formatTime(expires_at, zone.value)),
    },
    {
      ...{ title: 'Actions', value: () => '' },
      show: (key) =>
        key.status === 'active' && (
          <button
            type="button"
            onClick={() => {
              revoking.value = key;
            }}
          >
            Revoke
          </button>
        ),
    },
  ];
  return (
    <Tile
      title="Keys"
      answer={answer}
      request={request}
      sheet={({ keys }) => sheetOf(columns.slice(0, 5), keys)}
    >
      {({ keys }) => (
        <>
          {action.problem !== undefined && <Problem problem={action.problem} />}
          <Table label="Keys" columns={columns} rows={keys} keyOf={({ id }) => id} />
          <Form act="Make a key" action={making} send={make}>
            <Fields>
              <Input
                title="Name"
                value={name.value}
                isRequired
                change={(value) => {
                  name.value = value;
                }}
              />
              <Select
                title="Role"
                value={role.value}
                options={['viewer', 'analyst', 'ingest', 'admin'].map((one) => [one, one] as const)}
                choose={(value) => {
                  role.value = value;
                }}
              />
            </Fields>
          </Form>
          {made.value !== null && (
            <div role="status">
              <p>The new key is shown once:</p>
              <Copyable text={made.value} />
            </div>
          )}
          <ConfirmOne
            of={revoking}
            question={(key) => `Revoke the key ${key.name}?`}
            act="Revoke"
            confirm={(key) => void revoke(key)}
          />
        </>
      )}
    </Tile>
  );
}

interface Role {
  readonly role?: string;
  readonly name?: string;
  readonly summary?: string;
  readonly permissions: readonly string[];
}

const ROLES: readonly Column<Role>[] = [
  { title: 'Role', value: ({ role, name }) => role ?? name },
  { title: 'What it may', isWide: true, value: ({ summary }) => summary },
  { title: 'Permissions', isWide: true, value: ({ permissions }) => permissions.join(', ') },
];

function Roles() {
  const request = { path: '/roles', params: { limit: 200 } };
  const answer = useAnswer<{ readonly roles: readonly Role[] }>(request);
  return (
    <Tile title="Roles" answer={answer} request={request} reserve={[713, 293]}>
      {({ roles }) => (
        <Table label="Roles" columns={ROLES} rows={roles} keyOf={({ role, name }) => role ?? name ?? ''} />
      )}
    </Tile>
  );
}

/** Members of the settings that somebody else sets. */
const FIXED: ReadonlySet<string> = new Set(['revision', 'updated_at']);

const WEEK = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const SETTINGS: readonly FormField[] = [
  {
    path: 'timezone',
    title: 'Time zone',
    offers: ['UTC', 'Europe/Berlin', 'Europe/London', 'America/New_York'],
  },
  {
    ...{ path: 'week_start', title: 'The week begins on' },
    options: WEEK.map((day) => [day, day] as const),
  },
  { path: 'fiscal_month_start', title: 'First month of the year', kind: 'number' },
  { path: 'currency', title: 'Currency', hint: 'Money is converted to it' },
  { path: 'retention_days', title: 'Days that are kept', kind: 'number', hint: 'None: all' },
  { path: 'pii_fields', title: 'Personal data', kind: 'list', isWide: true, hint: 'Members, with commas' },
];

function Settings() {
  const request = { path: '/settings' };
  const answer = useAnswer<Readonly<Record<string, unknown>>>(request);
  const action = useAction<unknown>();
  const save = async (before: Body, body: Body): Promise<void> => {
    await action.run({ method: 'PATCH', path: '/settings', body: patchOf(before, body) });
    answer.again();
  };
  return (
    <Tile title="Settings of the tenant" answer={answer} request={request} reserve={[443, 221]}>
      {(data) => {
        const own = Object.fromEntries(Object.entries(data).filter(([name]) => !FIXED.has(name)));
        if (!may('settings:write')) return <Copyable text={JSON.stringify(own, null, 2)} />;
        return (
          <DefinitionForm
            {...{ fields: SETTINGS, value: own, action }}
            key={String(data.revision)}
            act="Save"
            isThere
            request="PATCH /settings"
            send={(body) => save(own, body)}
          />
        );
      }}
    </Tile>
  );
}

const ACTIONS = [
  ['', 'everything'],
  ['change', 'changes'],
  ['export', 'exports'],
  ['erase', 'erasures'],
  ['ingest', 'ingestion'],
  ['read', 'reads'],
] as const;

function Audit() {
  const { actor, action, resource } = place.value.params;
  const request = { path: '/audit', params: { limit: 200, actor, action, resource } };
  const answer = useAnswer<{ readonly entries: readonly Entry[] }>(request);
  return (
    <Tile title="Audit" answer={answer} request={request} sheet={({ entries }) => sheetOf(AUDIT, entries)}>
      {({ entries }) => (
        <>
          <Fields>
            <Select
              title="What was done"
              value={action ?? ''}
              options={ACTIONS}
              choose={(value) => setParams({ action: value })}
            />
            <Input
              title="By whom"
              value={actor ?? ''}
              change={(value) => setParams({ actor: value.trim() })}
            />
            <Input
              title="To what"
              placeholder="/keys"
              value={resource ?? ''}
              change={(value) => setParams({ resource: value.trim() })}
            />
          </Fields>
          {entries.length === 0 ? (
            <Empty>Nothing that was done is so.</Empty>
          ) : (
            <Table label="Audit" columns={AUDIT} rows={entries} keyOf={({ id }) => id} />
          )}
        </>
      )}
    </Tile>
  );
}
