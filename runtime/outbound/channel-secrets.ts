import type { SigningSecret } from '../trust/index.ts';
import { Seal } from '../webhooks/index.ts';
import { type Channel, ChannelError, SEALED } from './channels.ts';

/** What is shown of a secret. */
const HIDDEN = '***';

/**
 * The URLs and keys of channels: whoever has one can write to the people behind it. They are encrypted wherever they
 * lie in NATS, with a key of the installation that is not there, and are never shown again.
 */
export class ChannelSecrets {
  readonly #seal: Seal;

  constructor(secret: SigningSecret) {
    this.#seal = new Seal(secret);
  }

  sealed(tenant: string, channel: Channel): Channel {
    return changed(channel, (text) =>
      text.startsWith(SEALED) ? text : SEALED + this.#seal.seal(tenant, text),
    );
  }

  /** Throws `validation_failed` for what was sealed with another key, or for another tenant. */
  opened(tenant: string, channel: Channel, path = 'channels'): Channel {
    return changed(channel, (text) => {
      if (!text.startsWith(SEALED)) return text;
      const open = this.#seal.open(tenant, text.slice(SEALED.length));
      if (open !== undefined) return open;
      const what = 'cannot be read: it was encrypted with another KEY_SIGNING_SECRET. Say it again';
      throw new ChannelError('validation_failed', path, `The secret of the channel ${what}.`);
    });
  }
}

/** A channel without its secret. */
export const shownChannel = (channel: Channel): Channel => changed(channel, () => HIDDEN);

function changed<C extends Channel>(channel: C, change: (text: string) => string): C {
  if (channel.type === 'slack') return { ...channel, url: change(channel.url) };
  if (channel.type === 'pagerduty') return { ...channel, routing_key: change(channel.routing_key) };
  return channel;
}
