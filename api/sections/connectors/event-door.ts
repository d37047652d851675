import type { DoorCheck, EventDoor } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import { checkAll, prepare, timeLimits } from '../ingest/index.ts';

/** The way of connectors' events into the stream: the checks of `POST /ingest`, and its messages. */
export function eventDoor(ports: Pick<ApiPorts, 'events' | 'clock' | 'reader' | 'fieldRules'>): EventDoor {
  return {
    check: async (tenant, payloads) => {
      const events = payloads.map((bytes) => ({ ok: true, bytes }) as const);
      const checks = await checkAll({ events, whole: false }, timeLimits(ports, tenant), tenant);
      return checks.map((check): DoorCheck => {
        const [message] = prepare(tenant, [check]).messages;
        const { event_id } = check;
        if (check.ok && message !== undefined)
          return { ok: true, event_id: check.event_id, type: check.type, message };
        const { code, message: detail } = check.ok ? UNSENT : check;
        return { ok: false, event_id, code, detail };
      });
    },
    publish: (messages) => ports.events.publishAll(messages),
  };
}

/** What is checked as good is a message. */
const UNSENT = { code: 'internal', message: 'The event gave no message.' };
