type Span = [lowest: number, highest: number];

/**
 * The named segments in common use for quintile scores (as in Putler's and Klaviyo's tables): the first that fits
 * counts.
 */
export const DEFAULT_SEGMENTS: readonly { name: string; r: Span; f?: Span; m?: Span }[] = [
  { name: 'champions', r: [4, 5], f: [4, 5], m: [4, 5] },
  { name: 'loyal', r: [3, 5], f: [4, 5] },
  { name: 'new', r: [5, 5], f: [1, 1] },
  { name: 'promising', r: [4, 4], f: [1, 1] },
  { name: 'potential_loyalists', r: [4, 5], f: [2, 3] },
  { name: 'need_attention', r: [3, 3], f: [2, 3] },
  { name: 'about_to_sleep', r: [3, 3], f: [1, 1] },
  { name: 'cannot_lose', r: [1, 2], f: [4, 5], m: [4, 5] },
  { name: 'at_risk', r: [1, 2], f: [3, 5] },
  { name: 'hibernating', r: [2, 2], f: [1, 2] },
  { name: 'lost', r: [1, 1], f: [1, 2] },
];
/** Of customers whom no segment takes. */
export const NO_SEGMENT = 'other';
