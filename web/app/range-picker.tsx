import { useSignal } from '@preact/signals';
import { Dialog, Fields, Form, formatTime, Input } from '../parts/index.ts';
import {
  dateMs,
  dateText,
  isZone,
  newest,
  PRESETS,
  type Preset,
  range,
  setParams,
  zone,
} from '../state/index.ts';

/** Zones that browsers know, for the list. */
const zones = (): readonly string[] => ['UTC', ...Intl.supportedValuesOf('timeZone')];

function Custom({ close }: { readonly close: () => void }) {
  const { start_ms, end_ms, zone: own } = range.value;
  const from = useSignal(dateText(start_ms, own));
  const to = useSignal(dateText(end_ms - 1, own));
  const wanted = useSignal(own);
  const wrong = useSignal('');
  const send = (): void => {
    const [start, end] = [dateMs(from.value, own), dateMs(to.value, own)];
    if (!isZone(wanted.value)) wrong.value = 'This is no time zone.';
    else if (start === undefined || end === undefined || start > end)
      wrong.value = 'The first day comes after the last.';
    else {
      setParams({
        start: from.value,
        end: to.value,
        zone: wanted.value,
        range: undefined,
        cursor: undefined,
      });
      close();
    }
  };
  return (
    <Dialog title="Range and zone" close={close}>
      <Form act="Show" action={{ isRunning: false, problem: undefined }} send={send}>
        <Fields>
          <Input
            title="First day"
            type="date"
            value={from.value}
            change={(value) => {
              from.value = value;
            }}
          />
          <Input
            title="Last day"
            type="date"
            value={to.value}
            change={(value) => {
              to.value = value;
            }}
          />
          <Input
            title="Time zone"
            value={wanted.value}
            offers={zones()}
            change={(value) => {
              wanted.value = value;
            }}
          />
        </Fields>
        {wrong.value !== '' && <p role="alert">{wrong.value}</p>}
      </Form>
    </Dialog>
  );
}

/** The range that all pages show; days are those of the zone. */
export function RangePicker({ hasRange }: { readonly hasRange: boolean }) {
  const isOpen = useSignal(false);
  const { preset, isOfPast, start_ms, end_ms } = range.value;
  const choose = (next: Preset): void =>
    setParams({ range: next, start: undefined, end: undefined, cursor: undefined });
  return (
    <div class="range">
      {hasRange && isOfPast && typeof newest.value === 'number' && (
        <span class="hint">counts back from the newest event, {formatTime(newest.value, zone.value)}</span>
      )}
      {hasRange && (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out in a row by every browser
        <div class="presets" role="group" aria-label="Range">
          {Object.entries(PRESETS).map(([name, { title, days }]) => (
            <button
              key={name}
              type="button"
              title={days === 1 ? title : `${days} days`}
              aria-pressed={preset === name}
              onClick={() => choose(name as Preset)}
            >
              {title}
            </button>
          ))}
          <button
            type="button"
            aria-pressed={preset === 'custom'}
            onClick={() => {
              isOpen.value = true;
            }}
          >
            {preset === 'custom'
              ? `${dateText(start_ms, zone.value)} to ${dateText(end_ms - 1, zone.value)}`
              : 'Other …'}
          </button>
        </div>
      )}
      <button
        type="button"
        class="plain zone"
        aria-label={`Time zone: ${zone.value}`}
        onClick={() => {
          isOpen.value = true;
        }}
      >
        {zone.value}
      </button>
      {isOpen.value && (
        <Custom
          close={() => {
            isOpen.value = false;
          }}
        />
      )}
    </div>
  );
}
