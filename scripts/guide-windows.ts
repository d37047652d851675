import { type Guide, table } from './guide.ts';

export const windowsGuide: Guide = {
  name: 'windows',
  title: 'Windows, triggers and modes',
  summary: 'The kinds of windows, when they give results, and what a second result says',
  parts: [
    'The operator is [`window`](window.md). This page is about its configuration. All times are event time, in ms; the end of a window is exclusive.',
    '## Kinds',
    table(
      ['window', 'an event is in', 'closes when the watermark reaches', 'state for a key'],
      [
        ['`tumbling({ size_ms, offset_ms })`', 'one', 'its end', 'an accumulator for each open window'],
        [
          '`hopping({ size_ms, hop_ms, offset_ms })`',
          'about size/hop',
          'its end',
          'an accumulator for each slice of gcd(size, hop); windows share slices',
        ],
        [
          '`cumulate({ step_ms, size_ms, offset_ms })`',
          'all that end in the rest of its `size_ms`',
          'its end, every step',
          'an accumulator for each step; windows share them',
        ],
        [
          '`session({ gap_ms })`',
          'one: events less than the gap apart are together',
          'the last event plus the gap',
          'an accumulator for each open session; a late event may join two',
        ],
        [
          '`sliding({ before_ms, after_ms })`',
          'those of all events around it',
          'the event plus `after_ms`, and 1 ms',
          'an accumulator for each different time in reach',
        ],
        [
          '`countWindow({ count, idle_ms })`',
          'one: every n events by event time',
          'its last event; a smaller one after `idle_ms` without events',
          'the events that wait for the watermark',
        ],
        ['`global()`', 'one', 'never: needs an early trigger', 'one accumulator'],
      ],
    ),
    'Offsets move the boundaries: a day that begins at 22:00 UTC is `tumbling({ size_ms: 86_400_000, offset_ms: 79_200_000 })`. Time zones with daylight saving have days of 23 and 25 hours, which no fixed size says; take hours and add them up by the calendar where they are read.',
    '## When results come',
    'At the end of a window, and after that once for each late event within `allowedLateness_ms`. A trigger adds early results:',
    table(
      ['trigger', 'early results', 'windows'],
      [
        ['`onWatermark()`', 'none (default)', 'all but `global`'],
        [
          '`earlyEveryEvents(n)`',
          'after every n events of the key’s window',
          'tumbling, hopping, cumulate, session, global',
        ],
        [
          '`earlyEvery(ms)`',
          'when the watermark passes a multiple of `ms` after the window’s start, for keys with new events',
          'tumbling, hopping, cumulate, session, global',
        ],
      ],
    ),
    'A result says which it is: `pane.kind` is `early`, `onTime` or `late`, and `pane.index` counts the results of a key’s window from 0. Results at one watermark come in the order of (end, key).',
    '## What a second result says',
    table(
      ['mode', 'a further result of the same window', 'for'],
      [
        [
          '`accumulate`',
          'everything so far (default); of a session that has grown or merged, after retractions of what was given under its former bounds',
          'a table that keeps the newest: `toWindowTable`',
        ],
        [
          '`discard`',
          'only what is new since the last one',
          'sums further on: the results of a window add up',
        ],
        [
          '`retract`',
          'the last one again with `kind: "retract"`, then everything so far with `kind: "insert"`',
          'aggregates of aggregates that cannot overwrite; `toWindowTable` too',
        ],
      ],
    ),
    'All windows but sessions keep their bounds, so with `accumulate` a further result takes the place of the last one of its key and window. The bounds of a session are those of its events: an early result says [0, 60), and the next one of the same session [0, 160); or a late event makes one of two sessions that were given. With `accumulate` and `retract` what was given under bounds that are none any more comes once more with `kind: "retract"`, just before the result that stands for it (Kafka Streams sends a tombstone there). It comes with that next result, not with the event that made the session longer. Without early triggers and allowed lateness there are none.',
    '[`toWindowTable`](to-window-table.md) deletes the rows of retractions by itself, whatever its `value` says; [`toTable`](to-table.md) without `value` and `timeOf` does. What stands in between has to pass `kind` on, and a reader of sessions of its own has to look at it. The parts of `discard` belong into no table of windows, which would keep the last of them: add them up, by key where sessions may merge.',
    '## Limits',
    '`max_open_windows` (10,000) and `max_open_per_key` (10,000) bound what is open; what is beyond goes to the side output `overflow`. Events that no open window takes go to the side output `late`.',
  ],
};
