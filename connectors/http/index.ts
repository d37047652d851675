export { isPublicAddress } from './address.ts';
export {
  type ChannelMessage,
  isTaken,
  pagerDutyPost,
  type SmsProvider,
  slackPost,
  smsPost,
} from './forms.ts';
export {
  ANSWER_TIMEOUT_MS,
  type HttpDocument,
  type HttpGet,
  type HttpPost,
  type HttpReply,
  HttpSender,
  type HttpSenderOptions,
  TargetError,
} from './http-sender.ts';
export { publicLookup } from './public-lookup.ts';
export type { Resolve } from './resolver.ts';
