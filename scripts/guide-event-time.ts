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
    '## What results depend on',
    'On the set of events that came in time, never on their order, on batches, or on when commits and crashes happened. Two exceptions say so on their pages: [`lookup-join`](lookup-join.md), which answers at once, and [`lift`](lift.md), whose memory is lost.',
  ],
};
