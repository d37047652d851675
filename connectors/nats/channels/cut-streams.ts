import { DiscardPolicy, type JetStreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { cutStream, cutSubjects, MillraceError, targetSubjects } from '../../../engine/index.ts';
import {
  createStream,
  type NatsLink,
  openManager,
  placed,
  placementOf,
  replicasFor,
} from '../client/index.ts';

export interface CutLimits {
  /** Blocks that one channel holds; then its producers wait. */
  readonly channel_max_messages: number;
}

export const DEFAULT_CUT_LIMITS: CutLimits = { channel_max_messages: 10_000 };

/**
 * The stream of a cut, made if it is not there: nothing of it goes by itself, and a channel that is full refuses what is
 * new. Throws `cut_stream_conflict` where an existing one would lose what was not read.
 */
export async function ensureCutStream(
  link: NatsLink,
  topology: string,
  cut: string,
  { channel_max_messages }: CutLimits = DEFAULT_CUT_LIMITS,
): Promise<void> {
  const manager = await openManager(link);
  const { replicas, placement } = placed(link, { replicas: replicasFor(link) });
  const name = cutStream(topology, cut);
  await createStream(manager, {
    name,
    subjects: [cutSubjects(topology, cut)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: channel_max_messages,
    num_replicas: replicas,
    ...placementOf({ placement }),
    allow_direct: false,
  });
  await check(manager, name);
}

async function check(manager: JetStreamManager, name: string): Promise<void> {
  const { config } = await manager.streams.info(name);
  const isBounded = config.max_msgs_per_subject > 0;
  const keeps =
    config.retention === RetentionPolicy.Limits &&
    config.discard === DiscardPolicy.New &&
    (config.max_age ?? 0) === 0 &&
    (!isBounded || config.discard_new_per_subject === true);
  if (keeps) return;
  throw new MillraceError(
    'cut_stream_conflict',
    `The stream "${name}" removes messages by itself, or those of a full channel: what was not read would be lost. Set its ` +
      'retention to limits, discard to new, discard_new_per_subject, and no max_age; or delete it before the first start.',
  );
}

/**
 * Removes what a target needs no more: messages of its channels before `safe_sequence`, up to which whoever may go on
 * with it has a state; 0: nobody has. The last message of each channel stays, by which the next is compared. Channels are
 * purged one by one: one that is quiet must not keep what the others have done with.
 */
export async function purgeChannels(
  manager: JetStreamManager,
  topology: string,
  cut: string,
  target: number,
  safe_sequence: number,
): Promise<number> {
  const stream = cutStream(topology, cut);
  const filter = targetSubjects(topology, cut, target);
  const { state } = await manager.streams.info(stream, { subjects_filter: filter });
  let removed = 0;
  for (const subject of Object.keys(state.subjects ?? {})) {
    const last = await manager.streams.getMessage(stream, { last_by_subj: subject });
    const seq = Math.min(safe_sequence, last?.seq ?? 0);
    // A purge up to 0 is one without a bound.
    if (seq <= 1) continue;
    const { purged } = await manager.streams.purge(stream, { filter: subject, seq });
    removed += purged;
  }
  return removed;
}
