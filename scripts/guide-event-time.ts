import { type Guide, table } from './guide.ts';

export const eventTimeGuide: Guide = {
  name: 'event-time',
  title: 'Event time: watermarks, idleness, alignment',
  summary: 'How far event time has come, what is late, and what quiet or fast streams do to it',
  parts: [
    'Events carry the time at which they happened, and come out of order. A *watermark* of t says that nothing earlier than t is expected any more: windows that end at or before t close, timers up to t fire, joins give up waiting. [`watermark`](watermark.md) makes it from the events: the largest time seen minus `outOfOrderness_ms`.',
    table(
      ['question', 'answer'],
      [
        ['Does it move back?', 'Never, not by a restart either: it is part of the commit.'],
        [
          'When does it move within a batch?',
          'After the batch; whether an event is late is judged event by event.',
        ],
        [
          'What is late?',
          'An event older than the watermark. `watermark` passes it on and counts it (`millrace.watermark.late`); the operators behind decide: see "Late input" on each page.',
        ],
        [
          'How long may an event be late and still count?',
          'A window takes it for `allowedLateness_ms` after its end; joins and funnels have limits of their own.',
        ],
        [
          'And one from the far future?',
          'It moves the watermark there, and everything after it is late. Refuse such times where events are decoded.',
        ],
      ],
    ),
    '## A quiet stream',
    'Event time moves with events. When a source has had nothing pending and nothing in flight for `idle_ms` (default 60 s), its watermark follows the clock at the same distance (`outOfOrderness_ms`), so the last windows of a quiet stream close too. While the connection is away a source is not idle. One that is catching up is not idle either, however old its events are: a replay closes windows by the events’ own times.',
    '## Several streams',
    'Each source has a `watermark` of its own, behind it and before what brings them together. What [merges](merge.md) or [connects](connect.md) them goes by the smallest, so that the slower one’s events are not late behind it. A source that is idle moves its watermark with the clock and holds up nobody.',
    'Of several sources that have records the one furthest behind in event time is read first, and one that is more than `max_drift_ms` (5 minutes; a limit of the task) ahead of the slowest is not read until the others have come nearer. So a replay of a month of orders beside an hour of payments does not fill a join with the month: what has to be held is bounded by the drift. One watermark behind a `merge` of sources knows nothing of this; put it before.',
    '## Chaining',
    'The watermark goes from operator to operator. What waits for it comes out before it is passed on, so the next operator is as far as the one before. Which event time a result has is said by `timeOf` of the next operator. By the times of this table nothing is late behind the operator that was not late before it, and no lateness is needed there:',
    table(
      ['results of', 'event time', 'by another one'],
      [
        ['[`interval-join`](interval-join.md), [`window-join`](window-join.md)', 'that of either row', ''],
        ['[`temporal-join`](temporal-join.md)', 'that of the left row', ''],
        [
          '[`stream-join`](stream-join.md)',
          'the later of the two',
          'By the earlier one: late by 1.5 × `ttl_ms` at most (at least `ttl_ms` + 100).',
        ],
        [
          '[`lookup-join`](lookup-join.md), [`to-table`](to-table.md), `map` and all that pass on at once',
          'that of the (left) item',
          '',
        ],
        [
          '[`window`](window.md), but for those of every n events',
          '`window.end_ms - 1`',
          'Results of late events are late by `allowedLateness_ms` at most; a session that grew takes an early result back with its former end. By `window.start_ms` nothing is late where the next operator’s windows end only where these do, as hours do where minutes do.',
        ],
        [
          '[`window`](window.md) of every n events',
          '`window.end_ms - 1 + allowedLateness_ms`',
          'A smaller one that was idle is late by `idle_ms` more.',
        ],
        [
          '[`sessionize`](sessionize.md), [`rate-limit`](rate-limit.md)',
          'that of the event',
          'By the start of the session: late by its length.',
        ],
        ['[`sessions`](sessions.md)', '`end_ms + gap_ms`', 'By `end_ms`: late by `gap_ms` at most.'],
        [
          '[`keyedProcess`](process.md)',
          '`context.time_ms`',
          'A timer that is set behind the watermark is late at once.',
        ],
        [
          '[`pattern`](pattern.md)',
          '`end_ms`',
          'Time-outs, and matches that end with a negation, have `start_ms` plus the limit of `within`.',
        ],
        ['[`funnel`](funnel.md)', 'none', 'Changes correct records of any age: take them as they come.'],
      ],
    ),
    'A join gives results that are older than the watermark: an order without a payment comes out when the hour for it is over, and a match has an older row. So these joins pass the watermark on later, as Flink SQL does: an interval join by max(0, `upper_ms`, -`lower_ms`) + `allowedLateness_ms` + `bucket_ms`, a window join by `size_ms` + `allowedLateness_ms`, a temporal join by `bucket_ms` + `allowedLateness_ms`. What is behind them gives its results that much later, and holds that much more; a smaller `bucket_ms` makes it less. The delays of joins in a row add up. The watermark of the task, and that by which sources wait for each other, are not touched.',
    'The watermark behind a join never moves back. After a restart with more `allowedLateness_ms` it stays where it was until the new distance is reached. So it does on state of a version that did not hold it back: what waits in the join then may still be late behind it. An operator of your own has `delayWatermark_ms` in its handlers for this.',
    '## What results depend on',
    'On the set of events that came in time, never on their order, on batches, or on when commits and crashes happened. Two exceptions say so on their pages: [`lookup-join`](lookup-join.md), which answers at once, and [`lift`](lift.md), whose memory is lost.',
  ],
};
