/** The root of the sources, or of what is built of them. */
const ROOT = new URL('../../', import.meta.url).href;

/** A thread runs JavaScript only: of a source (in tests) this is the built file, which `npm test` makes first. */
export function builtModule(url: string): string {
  if (!url.endsWith('.ts') || !url.startsWith(ROOT)) return url;
  return `${ROOT}dist/${url.slice(ROOT.length, -'.ts'.length)}.js`;
}
