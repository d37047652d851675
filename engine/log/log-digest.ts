import { ByteWriter } from '../base/index.ts';
import type { KvView } from '../state/index.ts';
import { parseKey, SCOPES_RANGE } from './layout.ts';
import { decodeManifest, decodeScope, NO_CUT } from './manifest.ts';

/** The net content of a tenant's log. */
export interface ScopeDigest {
  readonly scope: string;
  /** UTC day before which its rows are gone; -Infinity: none are. */
  readonly firstDay: number;
  /** Rows less two for each retraction: 0 where everything was taken back. */
  readonly net: number;
  /** Sum of the rows' hashes, those of retractions subtracted: 16 hexadecimal digits. */
  readonly digest: string;
}

/**
 * What the log says, by tenant, from manifests alone: a function of the multiset of rows that were not taken back
 * and lie behind no cut. Order, commits, merges and duplicates that were taken back make no difference.
 */
export function* logDigest(segments: KvView): Iterable<ScopeDigest> {
  let scope: string | undefined;
  let firstDay = NO_CUT;
  let [net, first, second] = [0, 0, 0];
  const finished = function* (): Iterable<ScopeDigest> {
    if (scope === undefined || (net === 0 && first === 0 && second === 0)) return;
    yield { scope, firstDay, net, digest: hex(first) + hex(second) };
  };
  for (const { key, value } of segments.scan(SCOPES_RANGE)) {
    const parsed = parseKey(key);
    if (parsed.scope !== scope) {
      yield* finished();
      scope = parsed.scope;
      firstDay = NO_CUT;
      [net, first, second] = [0, 0, 0];
    }
    if (parsed.order === undefined) {
      firstDay = decodeScope(value).firstDay;
      continue;
    }
    for (const day of decodeManifest(value).days) {
      if (day.day < firstDay) continue;
      net += day.net;
      first = (first + day.first) | 0;
      second = (second + day.second) | 0;
    }
  }
  yield* finished();
}

/**
 * The tenants whose content differs between two logs, but for those that one of the two has forgotten more of: what
 * a cut has taken from one is no difference of the events.
 */
export function differentScopes(a: Iterable<ScopeDigest>, b: Iterable<ScopeDigest>): readonly string[] {
  const left = new Map(Array.from(a, (each) => [each.scope, each]));
  const right = new Map(Array.from(b, (each) => [each.scope, each]));
  return [...new Set([...left.keys(), ...right.keys()])].filter((scope) => {
    const [one, other] = [left.get(scope), right.get(scope)];
    if (one === undefined || other === undefined) return true;
    return one.firstDay === other.firstDay && (one.digest !== other.digest || one.net !== other.net);
  });
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** The digest as logical rows of the table of segments, one a tenant. */
export function* logDigestRows(segments: KvView): Iterable<Uint8Array> {
  for (const { scope, net, digest } of logDigest(segments))
    yield new ByteWriter().orderedString(scope).zigzag(net).string(digest).copy();
}
