/** A message as the stream had it: everything that reading it again needs. */
export interface ArchivedMessage {
  readonly sequence: number;
  /** When the stream stored it. */
  readonly stored_ms: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Every header as it was written, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The first header of a name, compared without case. */
export function headerOf({ headers }: Pick<ArchivedMessage, 'headers'>, wanted: string): string | undefined {
  const name = wanted.toLowerCase();
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

/** Token 2 of the subject; '' where it has none. */
export const tenantOfSubject = (subject: string): string => subject.split('.')[1] ?? '';
