import {
  type BodyForm,
  flatten,
  type HeaderSource,
  isObject,
  type Members,
  partOf,
  splitBody,
  valueOfPart,
} from '../events/index.ts';

export interface MessagePart {
  readonly part: number;
  /** As it was sent. */
  readonly bytes: Uint8Array;
  /** Of the flat event; undefined where the part is no JSON object. */
  readonly members: Members | undefined;
}

/** What a message is made of; `form` undefined: it is a list that is no JSON, so its one part is all of it. */
export function messageParts(message: HeaderSource & { readonly data: Uint8Array }): {
  readonly form: BodyForm | undefined;
  readonly parts: readonly MessagePart[];
} {
  const { data } = message;
  const body = splitBody(data, message);
  const broken = { form: undefined, parts: [{ part: 0, bytes: data, members: undefined }] };
  if (body === undefined) return broken;
  const parts: MessagePart[] = [];
  for (let part = 0; 2 * part < body.ranges.length; part++) {
    const bytes = partOf(data, body, part) ?? data;
    const parsed = valueOfPart(message, bytes);
    if (!parsed.ok && body.form === 'list') return broken;
    const flat = parsed.ok ? flatten(parsed.value) : undefined;
    parts.push({ part, bytes, members: isObject(flat) ? flat : undefined });
  }
  return { form: body.form, parts };
}
