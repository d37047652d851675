import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPublicAddress } from './address.ts';
import { TargetError } from './http-sender.ts';

/**
 * A look-up for connections to what a tenant names: the name's addresses as the machine knows them, or
 * `target_forbidden` where one of them is private. What is no name is not looked up: check it before.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '');
      return;
    }
    const [first] = addresses;
    if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
      callback(new TargetError('target_forbidden', `${hostname} is no address of the public internet.`), '');
    } else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
