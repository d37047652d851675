export {
  checkNats,
  type NatsSettings,
  natsFields,
  natsOf,
  readNatsSettings,
} from './nats-settings.ts';
export { parseSettings } from './parse-settings.ts';
