import { SeededRandom } from '../engine/index.ts';
import type { GeneratedEvent, GeneratedSet } from './simulated-orders.ts';

export interface CorrectedSets {
  /** Wrong events, their corrections, and corrections of these. */
  readonly dirty: GeneratedSet;
  /** What a stream would have had that never had the wrong events. */
  readonly clean: GeneratedSet;
}

/** Corrects and retracts some events of a set. Each correction has a version of its own, so which one holds is plain. */
export function correctedSets(set: GeneratedSet, seed: number): CorrectedSets {
  const random = new SeededRandom(seed);
  const dirty: GeneratedEvent[] = [];
  const clean: GeneratedEvent[] = [];
  let version = 1;
  const retraction = (of: GeneratedEvent, target: string): GeneratedEvent => {
    const event_id = `takes-back-${++version}`;
    const members = { event_id, type: 'event.retracted', source: 'simulation', version, retracts: [target] };
    return { tenant: of.tenant, time_ms: of.time_ms + 1, members };
  };
  for (const event of set.events) {
    const { event_id } = event.members;
    if (typeof event_id !== 'string' || !random.chance(0.35)) {
      dirty.push(event);
      clean.push(event);
      continue;
    }
    let holds: GeneratedEvent | undefined = event;
    // A correction that comes of nothing that was sent.
    if (random.chance(0.85)) dirty.push(event);
    for (let left = random.int(1, 3); left > 0; left--) {
      if (random.chance(0.6)) {
        const like = random.pick(set.events);
        const plain = { ...like, tenant: event.tenant, members: { ...like.members, event_id } };
        dirty.push({ ...plain, members: { ...plain.members, supersedes: true, version: ++version } });
        holds = plain;
        continue;
      }
      const taken = retraction(event, event_id);
      dirty.push(taken);
      if (random.chance(0.4)) {
        const back = retraction(event, String(taken.members.event_id));
        dirty.push(back);
        clean.push(harmless(back));
        continue;
      }
      clean.push(harmless(taken));
      holds = undefined;
    }
    if (holds !== undefined && (holds !== event || dirty.includes(event))) clean.push(holds);
  }
  const malformed = set.malformed;
  return { dirty: { events: dirty, malformed }, clean: { events: clean, malformed } };
}

/** The same event, with nothing to take back. */
function harmless({ members, ...event }: GeneratedEvent): GeneratedEvent {
  return { ...event, members: { ...members, retracts: [`nobody ${members.event_id}`] } };
}
