import { letHeapsGrow } from '../engine/index.ts';
import { anomalyLatencyBench } from './anomaly-latency.ts';
import { anomalyQualityBench } from './anomaly-quality.ts';
import { anomalySpeedBench } from './anomaly-speed.ts';
import { churnBench } from './churn.ts';
import { cubesBench } from './cubes.ts';
import { dashboardBench } from './dashboard.ts';
import { decodeBench } from './decode.ts';
import { dedupBench } from './dedup.ts';
import { definitionsBench } from './definitions.ts';
import { eventsSearchBench } from './events-search.ts';
import { exportBench } from './export.ts';
import { failoverBench } from './failover.ts';
import { forecastBench } from './forecast.ts';
import { funnelsBench } from './funnels.ts';
import { logBench } from './log.ts';
import { nexmarkBench } from './nexmark.ts';
import { orderedBench } from './ordered.ts';
import { ordersBench } from './orders.ts';
import { pipelineBench } from './pipeline.ts';
import { queryBench } from './query.ts';
import { queryLatencyBench } from './query-latency.ts';
import { replayBench } from './replay.ts';
import { restartBench } from './restart.ts';
import { rootCauseBench } from './root-cause.ts';
import { runsBench } from './runs.ts';
import { scanBench } from './scan.ts';
import { whatifBench } from './whatif.ts';

/** Every figure that the README or the docs name, each a command: `npm run bench -- NAME`. */
const BENCHES: Readonly<Record<string, () => Promise<object>>> = {
  'anomaly-latency': anomalyLatencyBench,
  'anomaly-quality': anomalyQualityBench,
  'anomaly-speed': anomalySpeedBench,
  decode: decodeBench,
  cubes: cubesBench,
  dashboard: dashboardBench,
  dedup: dedupBench,
  definitions: definitionsBench,
  export: exportBench,
  failover: failoverBench,
  forecast: forecastBench,
  funnels: funnelsBench,
  log: logBench,
  'events-search': eventsSearchBench,
  nexmark: nexmarkBench,
  ordered: orderedBench,
  orders: ordersBench,
  pipeline: pipelineBench,
  query: queryBench,
  'query-latency': queryLatencyBench,
  replay: replayBench,
  restart: restartBench,
  'root-cause': rootCauseBench,
  runs: runsBench,
  scan: scanBench,
  whatif: whatifBench,
  churn: churnBench,
};

const name = process.argv[2] ?? '';
const bench = BENCHES[name];
if (bench === undefined) {
  process.stderr.write(`Usage: npm run bench -- NAME, one of ${Object.keys(BENCHES).join(', ')}\n`);
  process.exitCode = 2;
} else {
  // As the product's own process.
  letHeapsGrow();
  // The last line is the figures, as one JSON object.
  process.stdout.write(`${JSON.stringify(await bench())}\n`);
}
