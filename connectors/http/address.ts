import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * Addresses that no request of a tenant may reach: what is not a single host of the public internet. By the special
 * purpose registries of IANA (RFC 6890, RFC 8190 and those after them).
 */
const FORBIDDEN: readonly (readonly [network: string, prefix: number])[] = [
  // "This network", private, shared (CGNAT), loopback, link-local.
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
  ] as const),
  // Protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved and broadcast.
  ...([
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
  // Local translation, discard, protocol assignments (Teredo, ORCHID), documentation, segment routing.
  ...([
    ['64:ff9b:1::', 48],
    ['100::', 63],
    ['2001::', 23],
    ['2001:db8::', 32],
    ['3fff::', 20],
    ['5f00::', 16],
  ] as const),
  // Unique local, link-local, site-local, multicast.
  ...([
    ['fc00::', 7],
    ['fe80::', 10],
    ['fec0::', 10],
    ['ff00::', 8],
  ] as const),
];

const forbidden = new BlockList();
for (const [network, prefix] of FORBIDDEN) {
  forbidden.addSubnet(network, prefix, isIPv4(network) ? 'ipv4' : 'ipv6');
}

/** The 16 bytes of an IPv6 address, as `new URL` writes it in full. */
function bytesOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(head), words(tail ?? '')];
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 255]);
}

/** Where the IPv4 address lies in the IPv6 addresses that carry one, by the bytes that they begin with. */
const CARRIERS: readonly (readonly [prefix: readonly number[], at: number])[] = [
  // Compatible (also `::` and `::1`), mapped, translated (RFC 2765), NAT64, 6to4.
  [new Array<number>(12).fill(0), 12],
  [[...new Array<number>(10).fill(0), 255, 255], 12],
  [[...new Array<number>(8).fill(0), 255, 255, 0, 0], 12],
  [[0, 0x64, 0xff, 0x9b, ...new Array<number>(8).fill(0)], 12],
  [[0x20, 0x02], 2],
];

/**
 * Whether an IP address is one of the public internet. An IPv6 address that carries an IPv4 address is what that is.
 * False for what is no IP address, and for one with a zone.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  if (isIPv4(address)) return !forbidden.check(address, 'ipv4');
  const [, full = ''] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]/`).hostname) ?? [];
  const bytes = bytesOf(full);
  const carrier = CARRIERS.find(([prefix]) => prefix.every((byte, at) => bytes[at] === byte));
  if (carrier !== undefined) return isPublicAddress(bytes.slice(carrier[1], carrier[1] + 4).join('.'));
  return !forbidden.check(full, 'ipv6');
}
