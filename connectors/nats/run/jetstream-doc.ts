import type { OperatorDoc } from '../../../engine/index.ts';

/** What the documentation says of `jetstream(…)` sources and of `run`. */
export const jetstreamDoc: OperatorDoc = {
  kind: 'jetstream',
  summary: 'A JetStream stream as a source, and the topology run on it',
  does: '`t.source(jetstream(stream, { subjects }))` says that records come from a stream; `run(topology, { dataDir })` runs it: it makes the streams that are missing (with `subjects`, and those named in `streams` for the sinks), reads each source with an ordered consumer on a thread of its own, and sends what is owed. Without `natsUrl` it starts a NATS server with its files under `dataDir`. A topology may have several sources; their positions are one commit. Records come in the order of the stream; `filter: ["orders.*.paid"]` reads only those subjects of it (of several, the server sends what one pattern over all of them matches, and the source leaves out the rest). The position that the state was committed with is the only cursor: there are no acknowledgements, and a new topology reads the stream from its first message on. The position also moves over what the source does not read (other subjects, messages that were removed) once the server has looked at it, about every second, so that nobody waits for it. `running.caughtUp(timeout_ms)` waits until what is in the streams is committed, `running.reader` reads tables, `running.link` publishes.',
  state:
    'The sequence of the last message of each stream that was applied, in every commit. In memory what has been read ahead, with a limit in messages and one in bytes; beyond that the server waits.',
  late: 'Messages have no event time until a `watermark` behind the source gives them one. When a stream has nothing pending for `idle_ms`, that watermark follows the clock.',
  duplicates:
    'The server drops a message whose `Nats-Msg-Id` it has seen within the stream’s duplicate window (two minutes by default). What publishers repeat after that is stored twice and read twice: put `dedup` behind the source.',
  failure:
    'When the connection is lost the source waits for it and reads on behind its last record. What says that the stream is not the one that the state was built from stops the task for good, and the message says what to do: `stream_recreated`, `position_ahead_of_stream` and `stream_went_back` (the server has lost messages), `position_before_stream` (messages were removed before they were read while the source was away), `stream_mismatch`. What is removed while it reads is counted in `millrace.task.skipped`; with a `filter` it is not, for it cannot be told from messages of other subjects. `run` refuses a stream that it cannot use (`stream_conflict`), and says in the log where one keeps less than it expects.',
};
