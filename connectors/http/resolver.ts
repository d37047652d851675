import { promises as dns } from 'node:dns';

/** All addresses of a name; none where it has none. Rejects when it is not known. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>;

const TRY_MS = 3_000;
const TRIES = 2;
/** Names that are always of the machine itself (RFC 6761); name servers need not know them. */
const OWN_NAME = /(?:^|\.)localhost\.?$/i;
const OWN_ADDRESSES = ['127.0.0.1', '::1'];
/** What a name server says of a name that it knows to have no such addresses. */
const NONE = ['ENOTFOUND', 'ENODATA'];

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error);

/**
 * Asks the name servers of the machine, without its pool of threads: a name whose server does not answer would hold
 * one of four there, and with it the file system. With `hosts`, a name that they do not know is looked up as the
 * machine does, which knows its own hosts file.
 */
export function systemResolve({ hosts }: { readonly hosts: boolean }): Resolve {
  return async (hostname, signal) => {
    signal.throwIfAborted();
    if (OWN_NAME.test(hostname)) return OWN_ADDRESSES;
    const resolver = new dns.Resolver({ timeout: TRY_MS, tries: TRIES });
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const found = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
      const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      if (addresses.length > 0) return addresses;
      const failure = found.find(
        (one) => one.status === 'rejected' && !NONE.includes(String(codeOf(one.reason))),
      );
      if (hosts) return (await dns.lookup(hostname, { all: true })).map(({ address }) => address);
      if (failure?.status === 'rejected') throw failure.reason;
      return [];
    } catch (error) {
      signal.throwIfAborted();
      if (NONE.includes(String(codeOf(error)))) return [];
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
