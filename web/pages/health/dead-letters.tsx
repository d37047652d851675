import { useSignal } from '@preact/signals';
import { may, useAnswer } from '../../api/index.ts';
import {
  type Column,
  ConfirmOne,
  Empty,
  formatTime,
  Problem,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { zone } from '../../state/index.ts';

interface Group {
  readonly group: string;
  readonly reason: string;
  readonly types: readonly string[];
  readonly count: number;
  readonly resolved: number;
  readonly last_at: string;
}

interface Groups {
  readonly groups: readonly Group[];
  readonly letters: number;
}

const COLUMNS: readonly Column<Group>[] = [
  { title: 'Reason', value: ({ reason }) => reason },
  { title: 'Types', value: ({ types }) => types.join(', ') },
  { title: 'Letters', isNumber: true, value: ({ count }) => count },
  { title: 'Resolved', isNumber: true, value: ({ resolved }) => resolved },
  {
    ...{ title: 'Newest', value: ({ last_at }: Group) => last_at },
    show: ({ last_at }) => formatTime(last_at, zone.value, true),
  },
];

/** What could not be processed, by reason, and to send it again once the reason is gone. */
export function DeadLetters() {
  const request = { path: '/dead-letters/groups' };
  const answer = useAnswer<Groups>(request);
  const action = useAction<{ readonly job_id?: string }>();
  const sending = useSignal<Group | null>(null);
  const columns: readonly Column<Group>[] = !may('events:write')
    ? COLUMNS
    : [
        ...COLUMNS,
        {
          ...{ title: 'Actions', value: () => '' },
          show: (group) => (
            <button
              type="button"
              onClick={() => {
                sending.value = group;
              }}
            >
              Send again
            </button>
          ),
        },
      ];
  const send = async ({ group }: Group): Promise<void> => {
    await action.run({ path: '/dead-letters/resend', body: { filter: { group } } });
    answer.again();
  };
  return (
    <Tile
      title="Dead letters"
      answer={answer}
      request={request}
      sheet={({ groups }) => sheetOf(COLUMNS, groups)}
    >
      {({ groups }) => (
        <>
          {action.problem !== undefined && <Problem problem={action.problem} />}
          {groups.length === 0 ? (
            <Empty>Nothing was set aside: every message that came could be read.</Empty>
          ) : (
            <Table label="Dead letters" columns={columns} rows={groups} keyOf={({ group }) => group} />
          )}
          <ConfirmOne
            of={sending}
            question={({ reason }) => `Send all letters of ${reason} again?`}
            act="Send again"
            confirm={(group) => void send(group)}
          />
        </>
      )}
    </Tile>
  );
}
