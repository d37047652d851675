import { MAX_QUERY_ROWS } from '../engine/index.ts';
import { type Guide, table } from './guide.ts';

export const queryTableGuide: Guide = {
  name: 'query-table',
  title: 'Queryable tables',
  summary: 'Reading tables of a running topology from its committed state, by key, range, prefix or window',
  parts: [
    '[`to-table`](to-table.md) and [`to-window-table`](to-window-table.md) keep tables; `queryTable(reader, table, query, { position })` reads them. It is one read transaction on a committed snapshot, on any thread or process that can open the state (`running.reader`, or `openLmdbReader(path)`), and costs the pipeline nothing. `tableOf(name, codec)` and `windowTableOf(name, codec)` name a table; the state of [`process`](process.md) is one too, `{ id: "<operator>/state" }`. The model is that of Kafka Streams’ interactive queries v2 (KIP-796).',
    '## Queries',
    table(
      ['query', 'answer'],
      [
        ['`{ kind: "key", key }`', '`value`, undefined where there is no row'],
        [
          '`{ kind: "range", from, to, limit }`',
          'rows by key in the order of their UTF-8 bytes, `to` exclusive, both bounds optional; `next` is the first key that is missing',
        ],
        ['`{ kind: "prefix", prefix, limit }`', 'the same for keys that begin with the prefix'],
        [
          '`{ kind: "window", key, start_ms, end_ms, limit }`',
          'the windows of a key that start in [start_ms, end_ms), by start, then end; `next_ms` and `next_end_ms` are those of the first that is missing: go on with them as `start_ms` and `first_end_ms`',
        ],
        [
          '`{ kind: "windows", start_ms, end_ms, from, limit }`',
          'the windows of all keys that start in [start_ms, end_ms), by key, then time; reads every key. `next` is the first that is missing: go on with it as `from`',
        ],
      ],
    ),
    `At most ${MAX_QUERY_ROWS.toLocaleString('en')} rows a query. The type of the answer follows from the kind of the query.`,
    '## As of when',
    'Every answer says the `position` that it is the state after, by stream and partition, and the watermark. To read what you have written, ask with the sequence that the publish was acknowledged with as bound: `{ position: { ORDERS: { "0": 4711 } } }` answers only once that message is applied, else `not_up_to_bound`; ask again after a commit (250 ms by default).',
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
          'nothing of this name has been committed here',
          'check the operator’s name; or nothing has been committed yet',
        ],
        [
          '`unknown_query`',
          'this table does not answer this kind of query',
          'windows: `window`, `windows`; others: `key`, `range`, `prefix`',
        ],
        ['`bad_query`', 'a limit or a bound makes no sense; the message says which', 'correct the query'],
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
