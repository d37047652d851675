import { normalType, toJsonText } from '../../analytics/index.ts';
import { patternSubject, type StoredNotice } from '../delivery/index.ts';
import { asksFor, type WebhookBody } from './webhook-kind.ts';

/** How the webhooks of an API are told. */
export interface WebhookForm {
  /** Where notices lie for whoever asked, beside those for one webhook alone. */
  subjectsOf(tenant: string, webhook: WebhookBody): readonly string[];
  wants(webhook: WebhookBody, type: string): boolean;
  /** What is posted. */
  bodyOf(webhook: WebhookBody, notice: StoredNotice): string;
  /** What a test says. */
  testOf(webhook_id: string): unknown;
}

/** The first API's: Standard Webhooks' `type`, `timestamp` and `data`, and the id of what happened. */
export const NOTICE_FORM: WebhookForm = {
  subjectsOf: (tenant, { events }) => events.map((pattern) => patternSubject(tenant, pattern)),
  wants: asksFor,
  bodyOf: ({ events }, { id, type, time_ms, payload }) => {
    // A type has the spelling under which it was asked for.
    const asked = events.find((event) => normalType(event) === type);
    const timestamp = new Date(time_ms).toISOString();
    return toJsonText({ id, type: asked ?? type, timestamp, data: payload });
  },
  testOf: (webhook_id) => ({ webhook_id, message: 'This is a test.' }),
};
