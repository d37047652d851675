/** What templates may have in them. */
export const PLACEHOLDERS = [
  'order_number',
  'customer_name',
  'total',
  'status',
  'tracking_url',
  'return_number',
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];
export type TemplateValues = Readonly<Partial<Record<Placeholder, string>>>;

/** Longest value that is put into a template, characters; of a URL. */
const VALUE_MAX_CHARS = 200;
const URL_MAX_CHARS = 1_000;

const PLACE = /\{\{\s*([^{}]*?)\s*\}\}/g;
/** Line breaks and other controls, and what turns the direction of writing: no name or number has them. */
const UNFIT = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]+/gu;

const isPlaceholder = (name: string): name is Placeholder => PLACEHOLDERS.some((one) => one === name);

/** The first placeholder of a template that there is none of; undefined: all are known. */
export function unknownPlaceholder(template: string): string | undefined {
  for (const [, name = ''] of template.matchAll(PLACE)) if (!isPlaceholder(name)) return name;
  return undefined;
}

/**
 * A template with its values, in one pass: what a value has in it is text, braces too. A value that is not known is
 * empty.
 */
export function filled(template: string, values: TemplateValues): string {
  return template.replace(PLACE, (_, name: string) => (isPlaceholder(name) ? (values[name] ?? '') : ''));
}

/** A value as one line of text; '' for what is none. */
export function fitText(value: unknown, max_chars = VALUE_MAX_CHARS): string {
  if (typeof value !== 'string' && typeof value !== 'number') return '';
  return [...String(value).replaceAll(UNFIT, ' ').trim()].slice(0, max_chars).join('');
}

/** A link as it may be sent to people: of http or https; '' for anything else. */
export function fitUrl(value: unknown): string {
  const text = typeof value === 'string' ? value.trim() : '';
  if (text.length > URL_MAX_CHARS || !/^https?:\/\/[^\s<>"']+$/i.test(text) || !URL.canParse(text)) return '';
  return new URL(text).href;
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' },
};

/** A text as HTML that shows just that text. */
export function htmlOf(text: string): string {
  const escaped = text.replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign] ?? '');
  return `<!doctype html><html><body><p>${escaped.replaceAll(/\r?\n/g, '<br>')}</p></body></html>`;
}
