import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import { path } from '../state/index.ts';

/** Height of a tile's content, px: below and above the width at which tiles stand beside one another. */
export type Reserve = readonly [narrow: number, wide: number];

const WIDE_PX = 860;
const NAME = 'millrace-heights';
/** Tiles whose heights are known; the oldest leave. */
const KEPT_MAX_TILES = 200;
/** Widths between which a tile is about as high. */
const WIDTH_STEP_PX = 200;

const isHeights = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === 'object' && value !== null && Object.values(value).every(Number.isFinite);

function stored(): ReadonlyMap<string, number> {
  try {
    const value = JSON.parse(localStorage.getItem(NAME) ?? '{}') as unknown;
    return new Map(isHeights(value) ? Object.entries(value) : []);
  } catch {
    // A browser that keeps nothing: then nothing is known.
    return new Map();
  }
}

const keyOf = (title: string): string => `${path.value} ${title} ${Math.floor(innerWidth / WIDTH_STEP_PX)}`;

function keep(key: string, height_px: number): void {
  const all = new Map(stored());
  if (all.get(key) === height_px) return;
  all.delete(key);
  all.set(key, height_px);
  try {
    localStorage.setItem(NAME, JSON.stringify(Object.fromEntries([...all].slice(-KEPT_MAX_TILES))));
  } catch {
    // It is only for the looks.
  }
}

/** What a tile has around its content: the gap below its title, and its own edges. */
const AROUND_PX = 36;

/** How high a tile is without its title, px; 0 where it is not there. */
function contentHeight(tile: HTMLElement | null): number {
  const title_px = tile?.querySelector('header')?.offsetHeight ?? 0;
  return tile === null ? 0 : Math.max(0, tile.clientHeight - title_px - AROUND_PX);
}

/**
 * How much room a tile keeps free while its first answer comes, px: as high as it was when it was seen last, else what
 * its page says; undefined where nobody knows. So that what stands below does not move when it is there.
 */
export function useKeptHeight(
  title: string,
  tile: RefObject<HTMLElement | null>,
  isThere: boolean,
  reserve: Reserve | undefined,
): number | undefined {
  useLayoutEffect(() => {
    const height_px = contentHeight(tile.current);
    if (isThere && height_px > 0) keep(keyOf(title), height_px);
  });
  if (isThere) return undefined;
  return stored().get(keyOf(title)) ?? (reserve && reservedHeight(reserve));
}

/** What a page keeps free at this width, px. */
export const reservedHeight = (reserve: Reserve): number => reserve[innerWidth < WIDE_PX ? 0 : 1];
