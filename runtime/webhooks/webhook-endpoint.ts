import type { HttpSender } from '../../connectors/index.ts';
import { asMillraceError, type Clock } from '../../engine/index.ts';
import type { Definition, KindDefinitions } from '../definitions/index.ts';
import {
  type Attempted,
  directSubject,
  type Endpoint,
  messageIdOf,
  type RetryPolicy,
  type StoredNotice,
} from '../delivery/index.ts';
import type { Seal } from './seal.ts';
import { signatureHeaders } from './signature.ts';
import type { WebhookForm } from './webhook-form.ts';
import type { WebhookBody } from './webhook-kind.ts';

export interface WebhookParts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly http: Pick<HttpSender, 'post'>;
  readonly seal: Seal;
  readonly clock: Clock;
  /** Of webhooks without one of their own. */
  readonly retry: RetryPolicy;
  readonly form: WebhookForm;
  /** Called when a delivery has failed for good. */
  failed(webhook: Definition<WebhookBody>, attempted: Attempted): Promise<void>;
}

/** Codes of errors before an answer that no other try will mend. */
const NEVER = ['target_forbidden', 'target_invalid'];
const GONE = 410;
/** The server's clock, by which notices are stored, may be so far behind: rather one too much than one too few, ms. */
export const SKEW_MS = 5_000;

/** A webhook as one that is told of notices. It is always as its definition is now. */
export class WebhookEndpoint implements Endpoint {
  readonly kind = 'webhook';
  readonly name: string;
  readonly tenant: string;
  readonly from_ms: number;
  readonly #parts: WebhookParts;

  constructor({ tenant, id, created_at_ms, body }: Definition<WebhookBody>, parts: WebhookParts) {
    this.tenant = tenant;
    this.name = id;
    this.from_ms = (body.enabled_at_ms ?? created_at_ms) - SKEW_MS;
    this.#parts = parts;
  }

  get #webhook(): Definition<WebhookBody> | undefined {
    return this.#parts.webhooks.get(this.tenant, this.name);
  }

  subjects(): readonly string[] {
    const body = this.#webhook?.body;
    const own = directSubject(this.tenant, this.name);
    return body === undefined ? [own] : [own, ...this.#parts.form.subjectsOf(this.tenant, body)];
  }

  wants({ type }: StoredNotice): boolean {
    const webhook = this.#webhook;
    return webhook !== undefined && this.#parts.form.wants(webhook.body, type);
  }

  isOpen(): boolean {
    const body = this.#webhook?.body;
    return body?.active === true && body.disabled === null;
  }

  policy(): RetryPolicy {
    const own = this.#webhook?.body.retry;
    return own === undefined
      ? this.#parts.retry
      : { retries_max: own.max_retries, delay_ms: 1_000 * own.delay_s };
  }

  targetOf(): string {
    return this.name;
  }

  async send(notice: StoredNotice, signal: AbortSignal): Promise<Attempted> {
    const { http, clock, seal } = this.#parts;
    const webhook = this.#webhook;
    const secret = webhook === undefined ? undefined : seal.open(this.tenant, webhook.body.sealed_secret);
    if (webhook === undefined || secret === undefined) {
      const message =
        'The secret cannot be read: KEY_SIGNING_SECRET is another one than when it was set. Set it anew.';
      return refused('secret_unreadable', message);
    }
    const body = this.#parts.form.bodyOf(webhook.body, notice);
    const signed = signatureHeaders(secret, { id: messageIdOf(notice), time_ms: clock.now(), body });
    const began_ms = performance.now();
    const took_ms = (): number => Math.round(performance.now() - began_ms);
    try {
      const headers = { 'Content-Type': 'application/json', ...signed };
      const { status } = await http.post({ url: webhook.body.url, headers, body, signal });
      return { ...answered(status), status, duration_ms: took_ms() };
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = asMillraceError(error);
      const verdict = NEVER.includes(code) ? 'refused' : 'failed';
      return { verdict, status: null, error: { code, message }, duration_ms: took_ms() };
    }
  }

  async failed(attempted: Attempted): Promise<void> {
    const webhook = this.#webhook;
    if (webhook !== undefined) await this.#parts.failed(webhook, attempted);
  }
}

const refused = (code: string, message: string): Attempted => ({
  ...{ verdict: 'refused', status: null, error: { code, message }, duration_ms: 0 },
});

function answered(status: number): Pick<Attempted, 'verdict' | 'error'> {
  if (status >= 200 && status < 300) return { verdict: 'succeeded', error: null };
  const redirected = status >= 300 && status < 400 ? ' Redirects are not followed.' : '';
  const error = { code: 'unexpected_status', message: `The answer was ${status}.${redirected}` };
  return { verdict: status === GONE ? 'gone' : 'failed', error };
}
