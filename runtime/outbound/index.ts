/**
 * What leaves. A part of the service that has something to tell calls
 * `outbound.notify(tenant, type, id, payload, {channels, message})`; `channelSchema` is the form of channels in a
 * definition, and `outbound.requireChannels` refuses those that cannot be used.
 */

export type { ChannelMessage } from '../../connectors/index.ts';
export { shownChannel } from './channel-secrets.ts';
export { type Channel, ChannelError, channelSchema, type PeopleChannel, phoneSchema } from './channels.ts';
export {
  type Destination,
  destinationSchema,
  type FileSenders,
  requireDestination,
  sendFile,
} from './destinations.ts';
export { Outbound, type OutboundOptions, type OutboundPorts, type Told } from './outbound.ts';
export type { NoticeSources } from './relays.ts';
export { TenantEvents } from './tenant-events.ts';
