import { MillraceError } from '../../engine/index.ts';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a client's error means: what comes back by itself is retriable. */
export function kafkaError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const { name, type, cause } = Object(error) as { name?: string; type?: string; cause?: unknown };
  const message = messageOf(error);
  if (cause instanceof MillraceError) return cause;
  if (name === 'KafkaJSNumberOfRetriesExceeded' && cause !== undefined) return kafkaError(cause);
  if (name?.startsWith('KafkaJSSASL') === true || type?.includes('AUTHORIZATION') === true) {
    return new MillraceError('kafka_refused', `Kafka refuses the credentials: ${message}.`, { cause: error });
  }
  if (name === 'KafkaJSNotImplemented') {
    return new MillraceError(
      'kafka_codec_missing',
      `Records are compressed in a way that cannot be read (${message}). Produce them with gzip, or uncompressed.`,
      { cause: error },
    );
  }
  return new MillraceError('kafka_unavailable', `Kafka cannot be reached: ${message}.`, {
    ...{ cause: error, retriable: true },
  });
}
