import { expect, vi } from 'vitest';
import { PATIENTLY, TEST_NOW_MS, type TestApi } from '../../fixture-api.ts';

/** The orders API's webhooks and rules over the service in memory. For tests. */

export type Json = Record<string, unknown>;

export const MINUTE_MS = 60_000;

export const at = (minute: number): string => new Date(TEST_NOW_MS + minute * MINUTE_MS).toISOString();

export async function jsonOf(response: Response): Promise<Json> {
  return (await response.json()) as Json;
}

/** Sends events of order `o1`, each of a type, a minute and further members, and applies them. */
export async function say(
  test: TestApi,
  key: string,
  ...said: readonly (readonly [event_id: string, type: string, minute: number, members?: Json])[]
): Promise<void> {
  const events = said.map(([event_id, type, minute, members]) => ({
    ...{ event_id, type, time: at(minute), order_id: 'o1' },
    ...members,
  }));
  const answer = await test.send('/ingest', { key, json: events });
  expect(await jsonOf(answer)).toMatchObject({ accepted: events.length });
  await test.apply();
}

/** Makes one of the things at a path; its answer. */
export async function make(test: TestApi, key: string, path: string, body: Json): Promise<Json> {
  const answer = await test.send(path, { key, json: body });
  const json = await jsonOf(answer);
  expect(answer.status, JSON.stringify(json)).toBe(201);
  return json;
}

/** What was posted to a URL, once there are so many. */
export async function postedTo(test: TestApi, url: string, count: number): Promise<readonly Json[]> {
  const posted = (): readonly { body: string }[] => test.http.posted.filter((one) => one.url === url);
  await vi.waitFor(() => expect(posted().length).toBeGreaterThanOrEqual(count), PATIENTLY);
  return posted().map(
    ({ body }) =>
      (body.startsWith('{') ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body))) as Json,
  );
}
