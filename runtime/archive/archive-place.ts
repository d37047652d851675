import {
  EVENTS_STREAM,
  JetStreamSource,
  type NatsLink,
  openBlobStore,
  openManager,
  type S3Settings,
} from '../../connectors/index.ts';
import type { Source } from '../../engine/index.ts';
import { Archive } from './archive.ts';
import { ArchiveKeeper, type ArchiveKeeperOptions } from './archive-keeper.ts';
import type { ArchiveMetrics } from './archive-metrics.ts';
import { ArchivedSource } from './archived-source.ts';

/** Where the archive lies. Plain data, for threads. */
export interface ArchivePlace {
  /** A folder, or `s3://bucket/prefix`. */
  readonly url: string;
  readonly s3: S3Settings | undefined;
}

export const openArchive = ({ url, s3 }: ArchivePlace, metrics?: ArchiveMetrics): Archive => {
  const folder = openBlobStore(url, s3);
  return new Archive(metrics === undefined ? folder : metrics.watch(folder));
};

/**
 * The source of a stream with what the archive has of it; only events are archived. `position`: where the state stands
 * that reads it; undefined where it has read nothing.
 */
export function withArchive(
  source: Source,
  stream: string,
  place: ArchivePlace | undefined,
  position: () => number | undefined,
): Source {
  if (place === undefined || stream !== EVENTS_STREAM.name) return source;
  return new ArchivedSource(source, openArchive(place), position);
}

/** Archives the stream of events there. */
export function openArchiveKeeper(
  link: NatsLink,
  archive: Archive,
  live: Pick<ArchiveKeeperOptions, 'applied' | 'isBuilding' | 'metrics' | 'lock'>,
): ArchiveKeeper {
  const { name: stream } = EVENTS_STREAM;
  return new ArchiveKeeper({
    ...live,
    archive,
    stream: {
      open: () => new JetStreamSource({ link, stream, partition: 'archive', gaps: 'count' }),
      trim: async (before) => {
        const manager = await openManager(link);
        await manager.streams.purge(stream, { seq: before });
      },
    },
  });
}
