import { afterAll, afterEach, expect, inject } from 'vitest';
import { fileOf, isRecording, readRecord, requestsMade, testsOf, writePart } from './requests-made.ts';

/**
 * Vitest's setup of each test file: it notes which operations of the API the file asks. A run with RECORD_REQUESTS=1
 * keeps that; in any other a file that the record names for an operation has to ask it still.
 */

let hasFailed = false;
const record = readRecord();
requestsMade.begin(record.operations);

const NOTED = Symbol.for('millrace.fetch-noted');
if (!(NOTED in globalThis.fetch)) {
  const send = globalThis.fetch;
  const noted = async (...[input, init]: Parameters<typeof fetch>): Promise<Response> => {
    const response = await send(input, init);
    const [url, method] =
      input instanceof Request ? [input.url, input.method] : [input.toString(), init?.method ?? 'GET'];
    // Of this service, not of a peer that a test has started.
    if (response.headers.has('x-request-id')) requestsMade.add(method, url, response.status);
    return response;
  };
  globalThis.fetch = Object.assign(noted, { [NOTED]: true });
}

afterEach(({ task }) => {
  if (task.result?.state === 'fail') hasFailed = true;
});

afterAll(() => {
  const path = fileOf(expect.getState().testPath ?? '');
  if (isRecording) writePart(path, requestsMade.succeeded);
  else if (inject('wholeFiles') && !hasFailed) {
    const gone = (record.files[path] ?? '')
      .split(' ')
      .filter((id) => testsOf(record, id)[0] === path && !requestsMade.asked.has(id));
    expect(
      gone,
      `docs/api.md names this file for operations that it does not ask any more: RECORD_REQUESTS=1 npx vitest run ${path}`,
    ).toEqual([]);
  }
});
