/** How a column's values lie in a file: `time` as UTC milliseconds, `bytes` as they are. */
export type ArchiveColumnType = 'integer' | 'text' | 'time' | 'bytes';

export interface ArchiveColumn {
  readonly name: string;
  readonly type: ArchiveColumnType;
}

const texts = (...names: string[]): ArchiveColumn[] => names.map((name) => ({ name, type: 'text' }));

/** Dimensions of the contract, as events have them. */
export const ARCHIVED_DIMENSIONS = [
  ...['channel', 'country', 'sku', 'category', 'warehouse', 'payment_method', 'customer_segment'],
  ...['campaign', 'status', 'region', 'voucher_code', 'reason'],
] as const;

/** Amounts in minor units. */
export const ARCHIVED_AMOUNTS = ['amount', 'discount', 'shipping', 'tax'] as const;

/**
 * The columns of the archive's files, in order: a row is one event, or a part of a message that is none. Columns are
 * only ever added, at the end.
 */
export const ARCHIVE_COLUMNS: readonly ArchiveColumn[] = [
  { name: 'sequence', type: 'integer' },
  { name: 'part', type: 'integer' },
  { name: 'stored_at', type: 'time' },
  ...texts('subject', 'event_id', 'type'),
  { name: 'time', type: 'time' },
  ...texts('source', 'order_id', 'customer_id', 'session_id', 'currency'),
  ...ARCHIVED_AMOUNTS.map((name): ArchiveColumn => ({ name, type: 'integer' })),
  ...texts(...ARCHIVED_DIMENSIONS),
  ...texts('items', 'payload', 'rejected', 'headers'),
  { name: 'message', type: 'bytes' },
];
