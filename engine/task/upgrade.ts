import { ByteWriter, MillraceError } from '../base/index.ts';
import { diffTopology, type TopologyChange, type TopologyDescription } from '../graph/index.ts';
import { type KvStore, type KvTable, type KvView, schemaKey } from '../state/index.ts';
import { META_TABLE } from './meta.ts';

const KEY = new ByteWriter().orderedString('engine').orderedString('topology').copy();
/** How to give up what a start refuses to. */
const BY_WORD = 'start once with ALLOW_TOPOLOGY_CHANGE=1 (the task option allowTopologyChange)';
/** So that giving up a large state does not take one large transaction. */
const ROWS_PER_TRANSACTION = 10_000;

/** The topology that wrote the last commit, or undefined where none has said so yet. */
export function readTopology(meta: KvView): TopologyDescription | undefined {
  const bytes = meta.get(KEY);
  return bytes === undefined
    ? undefined
    : (JSON.parse(Buffer.from(bytes).toString('utf8')) as TopologyDescription);
}

/** Inside a commit. */
export function writeTopology(meta: KvTable, description: TopologyDescription): void {
  meta.put(KEY, Buffer.from(JSON.stringify(description)));
}

/**
 * The differences between the topology that wrote a state and the one that is to run on it; undefined where the
 * state does not say which wrote it.
 */
export function changesFrom(
  table: (name: string) => KvView,
  running: TopologyDescription,
): readonly TopologyChange[] | undefined {
  const stored = readTopology(table(META_TABLE));
  if (stored === undefined) return undefined;
  return diffTopology(stored, running, (id) => [...table(id).scan({ limit: 1 })].length === 0);
}

/** Whether a start on the state refuses where nobody has given their word. */
export function isRefused({ losesState, isUnreadable }: TopologyChange): boolean {
  return losesState || isUnreadable === true;
}

/**
 * Compares the stored topology with the one that is to run on its state and returns the differences.
 * Throws `state_schema_mismatch` where the program cannot read a table, before any other is migrated, and
 * `topology_changed` where state would be given up, unless `allow`: then the rows of exactly the tables that have no
 * reader any more are deleted, since an operator that comes back under the old name must not go on from them.
 */
export function upgradeTopology(
  store: KvStore,
  running: TopologyDescription,
  allow: boolean,
): readonly TopologyChange[] {
  const changes = changesFrom((name) => store.table(name), running) ?? [];
  const unreadable = changes.filter(({ isUnreadable }) => isUnreadable === true);
  if (unreadable.length > 0 && !allow) {
    const tables = unreadable.flatMap(({ orphans }) => orphans).join(', ');
    throw new MillraceError(
      'state_schema_mismatch',
      `${unreadable.map(({ text }) => text).join(' ')} Rebuild the state from the stream with "millrace replay ` +
        '--make-current --force", give the table a migrate, give its operator a new name, or run the version ' +
        `that wrote it. To go on without the rows of ${tables}, which deletes them and nothing else for that ` +
        `reason, ${BY_WORD}.`,
    );
  }
  const losses = changes.filter(({ losesState }) => losesState);
  if (losses.length > 0 && !allow) {
    throw new MillraceError(
      'topology_changed',
      `${losses.map(({ text }) => text).join(' ')} To go on without that state, which deletes it, ${BY_WORD}; to ` +
        'keep it, run the topology that wrote it; to make all of it anew from the stream, run "millrace replay ' +
        '--make-current --force".',
    );
  }
  for (const id of orphansOf(losses, store.tableNames())) deleteRows(store, id);
  for (const id of unreadable.flatMap(({ orphans }) => orphans)) deleteRows(store, id);
  return changes.map((change) => (change.isUnreadable === true ? givenUp(change) : change));
}

/** What becomes of a table that cannot be read when somebody has given their word. */
function givenUp(change: TopologyChange): TopologyChange {
  return { ...change, text: `${change.text} Its rows were deleted, as ALLOW_TOPOLOGY_CHANGE=1 says.` };
}

/** Tables that lose their reader, and the timers of operators that are not what they were. */
function orphansOf(losses: readonly TopologyChange[], names: readonly string[]): readonly string[] {
  const whole = losses.filter(({ kind }) => kind !== 'table_removed' && kind !== 'table_kind_changed');
  const timers = whole.map(({ name }) => `${name}/timers`).filter((id) => names.includes(id));
  return [...losses.flatMap(({ orphans }) => orphans), ...timers];
}

function deleteRows(store: KvStore, id: string): void {
  const table = store.table(id);
  for (;;) {
    const keys = [...table.scan({ limit: ROWS_PER_TRANSACTION })].map(({ key }) => Uint8Array.from(key));
    store.transaction(() => {
      for (const key of keys) table.remove(key);
      if (keys.length < ROWS_PER_TRANSACTION) store.table(META_TABLE).remove(schemaKey(id));
    });
    if (keys.length < ROWS_PER_TRANSACTION) return;
  }
}
