import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StreamLook } from '../../connectors/index.ts';
import { type MetricSample, type Progress, topology } from '../../engine/index.ts';
import { diagnose } from './diagnose.ts';
import type { HostFacts, WhyFacts } from './facts.ts';

const LOOK: StreamLook & { readonly kind: 'there' } = {
  kind: 'there',
  incarnation: 'one',
  messages: 5,
  lastSequence: 5,
  subjects: ['clicks.>'],
  isFed: false,
  matching: undefined,
  paused: [],
};
const RUNNING: HostFacts = { state: 'running', samples: [], sends: [] };

function facts(change: Partial<WhyFacts> & { readonly look?: StreamLook } = {}): WhyFacts {
  const { look = LOOK, ...rest } = change;
  return {
    topology: topology('clicks', (t) => void t.source('clicks')).describe(),
    inputs: [{ node: 'clicks', stream: 'CLICKS', filter: [], look }],
    host: RUNNING,
    progress: undefined,
    nats: { url: 'nats://here' },
    ...rest,
  };
}

const codes = (given: WhyFacts): string[] => diagnose(given).map(({ code }) => code);
const gauge = (name: string, value: number, labels = {}): MetricSample => ({
  name: `millrace.${name}`,
  kind: 'gauge',
  help: '',
  labels,
  value,
});
const counter = (name: string, value: number, operator: string): MetricSample => ({
  ...gauge(name, value, { operator }),
  kind: 'counter',
});
const at = (change: Partial<Progress>): Progress => ({
  commit: 1,
  stream: 'CLICKS',
  incarnation: 'one',
  partition: '0',
  sequence: 5,
  head: 5,
  watermark_ms: null,
  committed_at_ms: 0,
  outbox_next: 0,
  notices: {},
  ...change,
});
const failing = (code: string, state: HostFacts['state'] = 'failed'): WhyFacts =>
  facts({ host: { ...RUNNING, state, error: { code, message: 'It is so.' } } });

describe('diagnose', () => {
  it('names nothing where nothing is wrong', () => {
    expect(codes(facts({ progress: at({}) }))).toEqual([]);
  });

  it.each([
    ['disk_full', 'disk_full', 'state'],
    ['state_has_another_writer', 'other_writer', 'state'],
    ['stream_mismatch', 'stream_mismatch', 'stream CLICKS'],
    ['position_ahead_of_stream', 'position_ahead_of_stream', 'stream CLICKS'],
    ['stream_went_back', 'stream_recreated', 'stream CLICKS'],
    ['state_schema_mismatch', 'topology_changed', 'topology'],
    ['window_changed', 'topology_changed', 'topology'],
    ['source_renamed', 'topology_changed', 'topology'],
    ['nats_unauthorized', 'no_permission', 'stream CLICKS'],
    ['nats_permission_denied', 'no_permission', 'stream CLICKS'],
    ['nats_forbidden', 'no_permission', 'stream CLICKS'],
    ['nats_unreachable', 'nats_away', 'NATS at nats://here'],
    ['asynchronous_emission', 'task_failed', 'task'],
  ])('takes the error %s for %s', (error, code, place) => {
    expect(diagnose(failing(error))).toMatchObject([{ code, place }]);
  });

  it('says that the clock has made all items late, where no event has moved the watermark', () => {
    const { topology: clicks } = facts();
    const node = (name: string, kind: string, input: string) => ({
      name,
      kind,
      summary: '',
      inputs: [input],
      state: {},
    });
    const nodes = [...clicks.nodes, node('time', 'watermark', 'clicks'), node('hourly', 'window', 'time')];
    const told = (lateAtMaker: number): string | undefined => {
      const samples = [
        counter('operator.received', 5, 'time'),
        { ...counter('operator.emitted', 5, 'time'), labels: { operator: 'time', output: 'main' } },
        counter('operator.received', 5, 'hourly'),
        counter('watermark.late', lateAtMaker, 'time'),
        counter('window.late', 4, 'hourly'),
      ];
      const given = facts({ topology: { ...clicks, nodes }, host: { ...RUNNING, samples } });
      return diagnose(given).find(({ code }) => code === 'all_late')?.next;
    };
    expect(told(5)).toMatch(/idle_ms of "time"/);
    expect(told(4)).toMatch(/which event has carried/);
  });

  it('says of an error that passes that it is tried again, and whether the source has it', () => {
    expect(codes(failing('stream_unavailable', 'restarting'))).toEqual(['source_failing']);
    expect(codes(failing('internal', 'restarting'))).toEqual(['task_failing']);
  });

  it('names the process that is not there, also where the streams have nothing', () => {
    expect(codes(facts({ host: undefined, progress: at({}) }))).toEqual(['not_running']);
    const look = { ...LOOK, messages: 0, lastSequence: 0 };
    expect(codes(facts({ host: undefined, look }))).toEqual(['not_running', 'no_messages']);
  });

  it('takes an embedded server that is away for a part of the process', () => {
    const nats = { url: 'nats://here', problem: { code: 'nats_not_started', message: 'No.' } };
    expect(codes(facts({ host: undefined, nats, look: LOOK }))).toEqual(['not_running']);
    expect(codes(facts({ nats }))).toEqual(['nats_away']);
  });

  it('says nothing of an empty stream whose messages were all processed', () => {
    expect(codes(facts({ look: { ...LOOK, messages: 0 }, progress: at({}) }))).toEqual([]);
  });

  it('compares the position with the stream, without a process', () => {
    expect(codes(facts({ progress: at({ incarnation: 'other' }) }))).toEqual(['stream_recreated']);
    expect(codes(facts({ progress: at({ sequence: 6 }) }))).toEqual(['position_ahead_of_stream']);
  });

  it('names a paused consumer, and what the credentials may not', () => {
    expect(codes(facts({ look: { ...LOOK, paused: ['m1'] } }))).toEqual(['consumer_paused']);
    expect(codes(facts({ look: { kind: 'forbidden', message: 'no' } }))).toEqual(['no_permission']);
    const sends = [{ subject: 'out', code: 'nats_forbidden', message: 'no' }];
    const [cause] = diagnose(facts({ host: { ...RUNNING, sends } }));
    expect(cause).toMatchObject({ code: 'no_permission', place: 'outbox, subject out' });
  });

  it('names a backlog, a full outbox, and definitions that are being built', () => {
    const samples = [gauge('task.lag', 60_000), gauge('outbox.owed', 20_000)];
    expect(codes(facts({ host: { ...RUNNING, samples } }))).toEqual(['catching_up', 'outbox_full']);
    const description = facts().topology;
    const [source] = description.nodes;
    const cubes = { name: 'cubes', kind: 'cubes', summary: '', inputs: ['clicks'], state: {} };
    const built = {
      topology: { ...description, nodes: [...(source === undefined ? [] : [source]), cubes] },
      host: {
        ...RUNNING,
        samples: [
          gauge('operator.received', 3, { operator: 'cubes' }),
          gauge('cubes.incomplete', 2, { operator: 'cubes' }),
        ],
      },
    };
    expect(diagnose(facts(built))).toMatchObject([{ code: 'bootstrapping', place: 'operator "cubes"' }]);
  });

  it('has a place, a sentence and a next step for each', () => {
    for (const { place, sentence, next } of diagnose(failing('disk_full'))) {
      for (const text of [sentence, next]) expect(text).toMatch(/^[A-Z].*\.$/);
      expect(place).not.toBe('');
    }
  });
});

describe('the page of causes', () => {
  it('has every code', () => {
    const folder = import.meta.dirname;
    const text = readdirSync(folder)
      .filter((name) => /-causes\.ts$/.test(name))
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
    const ours = [...text.matchAll(/code: '(\w+)'/g)].map(([, code = '']) => code);
    const codes = new Set([...ours, 'operator_failed', 'task_failing', 'source_failing', 'stream_full']);
    const page = readFileSync(join(folder, '../../docs/why.md'), 'utf8');
    expect(codes.size).toBeGreaterThan(30);
    expect([...codes].filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });
});
