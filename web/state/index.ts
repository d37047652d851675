export { APP, addressOf, go, isForBrowser, type Place, path, place, setParams } from './place.ts';
export {
  GRANULARITIES,
  type Granularity,
  granularityFor,
  headOf,
  newest,
  now,
  PRESETS,
  type Preset,
  type Range,
  range,
  tenantZone,
  zone,
} from './range.ts';
export { colour, colours, setTheme, show, type Theme, theme } from './theme.ts';
export { dateMs, dateText, dayOf, isZone, momentOf, wallOf } from './zones.ts';
