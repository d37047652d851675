import { MAX_QUERY_ROWS, MAX_SKIPPED_ROWS } from '../engine/index.ts';
import { type Guide, table } from './guide.ts';

export const queryTableGuide: Guide = {
  name: 'query-table',
  title: 'Queryable tables',
  summary: 'Reading tables of a running topology from its committed state, by key, range, prefix or window',
  parts: [
    '[`to-table`](to-table.md) and [`to-window-table`](to-window-table.md) keep tables; `queryTable(reader, table, query, { position })` reads them. It is one read transaction on a committed snapshot, on any thread or process that can open the state (`running.reader`; from another process `openState(dataDir, topology)`, which follows the current generation), and costs the pipeline nothing. `tableOf(name, codec, version)` and `windowTableOf(name, codec, version)` name a table (without a version any is read); the state of [`keyedProcess`](process.md) is one too, `{ id: "<operator>/state" }`. The model is that of Kafka Streams’ interactive queries v2 (KIP-796).',
    '## Queries',
    table(
      ['query', 'answer'],
      [
        ['`{ kind: "key", key }`', '`value`, undefined where there is no row'],
        [
          '`{ kind: "range", from, to, limit, reverse }`',
          'rows by key in the order of their UTF-8 bytes, `to` exclusive, both bounds optional; `next` is where to go on',
        ],
        [
          '`{ kind: "prefix", prefix, from, to, limit, reverse }`',
          'the same for keys whose UTF-8 bytes begin with those of the prefix',
        ],
        [
          '`{ kind: "window", key, start_ms, end_ms, limit, reverse }`',
          'the windows of a key that start in [start_ms, end_ms), by start, then end; `next_ms` and `next_end_ms` are where to go on',
        ],
        [
          '`{ kind: "windows", start_ms, end_ms, from, to, limit, reverse }`',
          'the windows of all keys that start in [start_ms, end_ms), by key, then start, then end; `next` is where to go on',
        ],
      ],
    ),
    `At most ${MAX_QUERY_ROWS.toLocaleString('en')} rows a query. The type of the answer follows from the kind of the query.`,
    'With `reverse: true` the rows come in the opposite order, so a limit gives the last keys or the newest windows. The bounds mean the same: the lower one is inclusive, the upper one exclusive. An answer that leaves rows out says where the next one goes on: forwards with the first row that is missing, as the lower bound; in reverse with the last row that it gives, as the upper bound.',
    table(
      ['query', 'goes on with', 'in reverse'],
      [
        ['`range`, `prefix`', '`from: next`', '`to: next`'],
        [
          '`window`',
          '`start_ms: next_ms`, `first_end_ms: next_end_ms`',
          '`end_ms: next_ms`, `before_end_ms: next_end_ms`',
        ],
        ['`windows`', '`from: next`', '`to: next`'],
      ],
    ),
    `Each of these reads the rows that it gives and one more; of a table kept with \`timeOf\` also the deleted rows that are still remembered between them. A \`windows\` query also visits the keys that have no window in that time, up to where its limit is reached; of the windows of a key that are not asked for it reads at most ${MAX_SKIPPED_ROWS + 1} before and ${MAX_SKIPPED_ROWS + 1} behind that time, and jumps over the others.`,
    '## As of when',
    'Every answer says the `position` that it is the state after, by stream and partition, and the watermark. To read what you have written, publish with `const { lastSequence } = await new EventPublisher(running.link).publishAll([…])`, wait with `running.applied(stream, lastSequence, timeout_ms)`, or ask with the sequence as bound: `{ position: { ORDERS: { "0": 4711 } } }` answers only once that message is applied, else `not_up_to_bound`; ask again after a commit (250 ms by default).',
    '## Answers without a value',
    'What can be expected to go wrong is an answer with `ok: false`, a `reason` and a message, never an exception:',
    table(
      ['reason', 'what it says', 'what to do'],
      [
        [
          '`not_up_to_bound`',
          'the state has not applied the position asked for',
          'ask again, or another copy',
        ],
        [
          '`no_such_table`',
          'nothing of this name has been committed here, or its operator was given up since',
          'check the operator’s name; or nothing has been committed yet',
        ],
        [
          '`unknown_query`',
          'this table does not answer this kind of query',
          'windows: `window`, `windows`; others: `key`, `range`, `prefix`',
        ],
        [
          '`bad_query`',
          'the query, the table’s name or the position makes no sense; the message says what of it',
          'correct it',
        ],
        [
          '`wrong_codec`',
          'rows are not what the codec or the version says',
          'use the codec and version of the table',
        ],
      ],
    ),
    'A store that cannot be read does throw.',
  ],
};
