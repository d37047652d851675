import { setTimeout as sleep } from 'node:timers/promises';
import { type NatsLink, openKeyValueStore, openManager, streamFacts } from '../connectors/index.ts';
import { type KeyValueStore, MillraceError } from '../engine/index.ts';
import { clusterBucket, editPlan, reportCluster, withoutPlan } from '../runtime/index.ts';
import { type CommandArguments, type CommandContext, type ExitCode, UsageError } from './command.ts';
import { withNats } from './nats.ts';
import { placeOf } from './place.ts';

const POLL_MS = 1_000;

/** Works on the bucket of the topology's cluster; looking makes none. */
async function withCluster<T>(
  context: CommandContext,
  work: (store: KeyValueStore) => Promise<T>,
): Promise<T> {
  const place = await placeOf(context.env);
  return await withNats(
    place,
    context,
    async (link) => await work(await bucketOf(link, place.topology.name)),
  );
}

async function bucketOf(link: NatsLink, topology: string): Promise<KeyValueStore> {
  const bucket = clusterBucket(topology);
  try {
    await streamFacts(await openManager(link), `KV_${bucket}`);
  } catch (thrown) {
    if (thrown instanceof MillraceError && thrown.code === 'stream_missing') throw withoutPlan();
    throw thrown;
  }
  return await openKeyValueStore(link, bucket);
}

function tell(
  args: CommandArguments,
  context: CommandContext,
  value: object,
  lines: readonly string[],
): void {
  if (args.flag('json')) context.print(JSON.stringify(value, null, 2));
  else for (const line of lines) context.print(line);
}

export async function status(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const report = await withCluster(context, (store) => reportCluster(store));
  const width = Math.max(...report.members.map(({ id }) => id.length), 'member'.length);
  const rows = report.members.map(({ id, state, drained, owned, standby, host, version }) => {
    const name = id.padEnd(width);
    const how = `${state}${drained ? ', drained' : ''}`.padEnd(17);
    return `${name}  ${how}  ${String(owned).padStart(5)}  ${String(standby).padStart(7)}  ${host}  ${version}`;
  });
  const moving = report.tasks.filter(({ to }) => to !== null);
  tell(args, context, report, [
    `${'member'.padEnd(width)}  ${'state'.padEnd(17)}  owned  standby  host  version`,
    ...rows,
    `${report.tasks.length} tasks, ${moving.length} on their way; ${report.planner ?? 'nobody'} plans`,
    ...report.problems,
  ]);
  return report.problems.length > 0 ? 1 : 0;
}

export async function plan(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const { tasks } = await withCluster(context, (store) => reportCluster(store, 0));
  const lines = tasks.map(({ task, owner, epoch, standbys, to, pinned_to }) => {
    const followers = standbys.map(({ member, ready }) => (ready ? member : `${member} (not ready)`));
    const by = followers.length === 0 ? '' : `, followed by ${followers.join(', ')}`;
    const way = to === null ? '' : `, on its way to ${to}`;
    const pin = pinned_to === null ? '' : `, pinned to ${pinned_to}`;
    return `${task}  ${owner === null ? 'nobody' : `${owner} (epoch ${epoch})`}${by}${way}${pin}`;
  });
  tell(args, context, tasks, lines);
  return 0;
}

/** Has a member give its tasks away, and waits until it has none. */
export async function drain(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const member = args.required(0);
  const stop = context.interruptible();
  return await withCluster(context, async (store) => {
    if (args.flag('undo')) {
      await editPlan(store, { kind: 'undrain', member });
      context.print(`${member} takes tasks again.`);
      return 0;
    }
    await editPlan(store, { kind: 'drain', member });
    const others = (await reportCluster(store)).members.filter(
      ({ state, drained }) => state === 'living' && !drained,
    );
    if (others.length === 0) {
      throw new MillraceError(
        'no_other_member',
        `No other member lives that could take the tasks of ${member}: they stay. Start one, or undo it: --undo.`,
      );
    }
    for (let before = -1; !stop.aborted; await sleep(POLL_MS)) {
      const { members, tasks } = await reportCluster(store, 0);
      const left = members.find(({ id }) => id === member);
      const count = (left?.owned ?? 0) + (left?.standby ?? 0);
      if (count === 0) {
        context.print(`${member} has no tasks: it can be stopped.`);
        return 0;
      }
      const way = tasks.filter(({ to }) => to !== null).length;
      if (count !== before) context.note(`${member} has ${count} tasks yet, ${way} are on their way`);
      before = count;
    }
    context.note(`It goes on without this command; "millrace cluster drain ${member} --undo" ends it.`);
    return 1;
  });
}

/** Says where a task is to be, or that it need not be there any more. */
export async function move(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const task = args.required(0);
  const to = args.text('to');
  const free = args.flag('free');
  if ((to === undefined) !== free) throw new UsageError('Give either --to MEMBER or --free.');
  await withCluster(context, (store) =>
    editPlan(store, to === undefined ? { kind: 'unpin', task } : { kind: 'pin', task, to }),
  );
  context.print(
    to === undefined
      ? `${task} goes where it is balanced.`
      : `${task} goes to ${to}, and stays there until "millrace cluster move ${task} --free".`,
  );
  return 0;
}
