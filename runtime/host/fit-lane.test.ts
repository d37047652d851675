import { describe, expect, it } from 'vitest';
import { createDetector, fitOfRequest } from '../../operators/index.ts';
import { FitLane } from './fit-lane.ts';

const HOUR_MS = 3_600_000;

/** Of a series whose fit is due; each of another one. */
function requestOf(series: number): Uint8Array {
  const detector = createDetector({ method: 'prophet', sensitivity: 0.99, window_ms: HOUR_MS });
  const state = detector.start(`series ${series}`);
  for (let index = 0; ; index++) {
    const request = detector.background?.requestOf(state);
    if (request !== undefined) return request;
    detector.update(state, { start_ms: index * HOUR_MS, value: 100 + ((index * (series + 3)) % 24) });
  }
}

/** The model, or undefined for one that could not be made; and the order in which they came. */
function made(lane: FitLane, request: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    if (lane.begin(request, resolve) === undefined) reject(new Error('refused'));
  });
}

describe('the lane of fits', () => {
  it('makes them in a thread, the same as here; what cannot be made says so and hurts no other', async () => {
    const lane = new FitLane();
    try {
      const requests = [0, 1, 2].map(requestOf);
      const rubbish = new Uint8Array(3);
      const [first, none, ...rest] = await Promise.all(
        [requests[0], rubbish, requests[1], requests[2]].map((request) => made(lane, request ?? rubbish)),
      );
      expect(none).toBeUndefined();
      expect([first, ...rest]).toEqual(requests.map(fitOfRequest));
    } finally {
      await lane.close();
    }
  });

  it('takes so many and no more, and calls nobody who does not want it any more', async () => {
    const lane = new FitLane(3);
    try {
      const request = requestOf(1);
      const called: string[] = [];
      const begin = (name: string) => lane.begin(request, () => called.push(name));
      const tickets = ['a', 'b', 'c'].map(begin);
      expect(begin('d')).toBeUndefined();
      tickets[0]?.cancel();
      tickets[1]?.cancel();
      expect(Buffer.from((await made(lane, request)) ?? []).equals(fitOfRequest(request))).toBe(true);
      expect(called).toEqual(['c']);
    } finally {
      await lane.close();
    }
  });

  it('ends at once, in the middle of a fit, and takes none afterwards', async () => {
    const lane = new FitLane();
    const called: unknown[] = [];
    for (let each = 0; each < 100; each++) lane.begin(requestOf(1), (model) => called.push(model));
    await lane.close();
    expect(lane.begin(requestOf(1), (model) => called.push(model))).toBeUndefined();
    expect(called).toEqual([]);
  });
});
