import { DEFAULT_OUTBOX_LIMITS } from '../../engine/index.ts';
import type { Counts } from './counts.ts';
import type { Cause, SendFailure, WhyFacts } from './facts.ts';

/** What keeps messages from leaving. */
export function sendCauses({ host }: WhyFacts, counts: Counts): readonly Cause[] {
  if (host === undefined) return [];
  const duplicates = counts.of('millrace.outbox.duplicates');
  const causes = [...host.sends.map(sendCause), ...(duplicates === 0 ? [] : [duplicatesCause(duplicates)])];
  const owed = counts.of('millrace.outbox.owed');
  if (owed < DEFAULT_OUTBOX_LIMITS.max_rows) return causes;
  return [
    ...causes,
    {
      code: 'outbox_full',
      place: 'outbox',
      sentence: `${owed} messages are owed to the outside: the task takes no input until some have left.`,
      next: 'See what keeps them from leaving: the causes beside this one, or the log. "millrace outbox drop" ends it.',
    },
  ];
}

const duplicatesCause = (duplicates: number): Cause => ({
  code: 'outbox_duplicates',
  place: 'outbox',
  sentence: `${duplicates} messages were not stored: their stream had their ids, though none was sent before.`,
  next: 'Stop the instance that sends the same, or see whether idOf gives two messages one id.',
});

function sendCause({ subject, code, message }: SendFailure): Cause {
  const place = `outbox, subject ${subject}`;
  switch (code) {
    case 'no_stream_for_subject':
      return {
        code,
        place,
        sentence: `No stream takes the subject ${subject}; messages for it wait.`,
        next: `Make one (--stream NAME=${subject}), or "millrace outbox drop --subject ${subject}".`,
      };
    case 'stream_full':
      return {
        code,
        place,
        sentence: `The stream of ${subject} takes no more messages.`,
        next: 'Raise its limits or the storage of the server, or purge what is not needed.',
      };
    case 'nats_forbidden':
      return {
        code: 'no_permission',
        place,
        sentence: `The server does not let these credentials publish to ${subject}.`,
        next: 'Grant the permission to publish, or use other credentials.',
      };
    default:
      return {
        code: 'sends_failing',
        place,
        sentence: `Messages for ${subject} cannot be sent: ${message} [${code}]`,
        next: 'Do what the message says; what may pass is tried again by itself.',
      };
  }
}
