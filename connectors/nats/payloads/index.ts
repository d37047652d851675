export { type PublishersIds, publishersIds } from './publishers-ids.ts';
export { StreamPayloads, type StreamPayloadsOptions } from './stream-payloads.ts';
export { type FedMessage, SubjectFeed, type SubjectFeedOptions } from './subject-feed.ts';
