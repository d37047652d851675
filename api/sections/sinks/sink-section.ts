import type {
  ConnectorBody,
  Definitions,
  JobFiles,
  JobKind,
  Jobs,
  KindDefinitions,
} from '../../../runtime/index.ts';
import type { ApiPorts, Cursors, Route } from '../../http/index.ts';
import type { ExportMaking, ExportParts, SeamChain } from '../exports/index.ts';
import { AnomalySinks } from './anomaly-sinks.ts';
import { type SinkJobParts, sinkJobKind } from './sink-job.ts';
import { type Sink, type SinkKindParts, sinkKind } from './sink-kind.ts';
import { sinkRoutes } from './sink-routes.ts';
import { SinkWatch } from './sink-watch.ts';

interface SinkSectionParts extends Pick<SinkJobParts, 'secrets'>, Pick<SinkKindParts, 'families'> {
  readonly ports: ApiPorts;
  readonly connectors: KindDefinitions<ConnectorBody>;
}

/** Everything of sinks. */
export class SinkSection {
  readonly sinks: KindDefinitions<Sink>;
  readonly #parts: SinkSectionParts;
  #watch: SinkWatch | undefined;
  readonly #anomalies: AnomalySinks;

  /** Before the definitions are opened. */
  constructor(definitions: Definitions, parts: SinkSectionParts) {
    this.#parts = parts;
    const { ports, families, connectors, secrets } = parts;
    this.sinks = definitions.kind(sinkKind({ ports, senders: ports.outbound, families, connectors }));
    const { anomalies } = ports.outbound.sources;
    const { log, sinks } = ports;
    this.#anomalies = new AnomalySinks({
      sinks: this.sinks,
      ports: sinks,
      anomalies,
      log,
      connectors,
      secrets,
    });
  }

  jobKind(exporting: Omit<ExportParts, 'files'>, files: JobFiles): JobKind {
    const { connectors, secrets } = this.#parts;
    return sinkJobKind({ ...exporting, files, connectors, secrets });
  }

  start(exporting: ExportMaking, jobs: Jobs, chain: SeamChain): void {
    const { ports } = this.#parts;
    this.#watch = new SinkWatch({ ports, sinks: this.sinks, exporting, jobs, chain });
    this.#watch.start();
    this.#anomalies.start();
  }

  routes(jobs: Jobs, cursors: Cursors): readonly Route[] {
    return sinkRoutes({ sinks: this.sinks, watch: () => this.#watch, jobs, cursors });
  }

  async close(): Promise<void> {
    await this.#watch?.close();
    await this.#anomalies.close();
  }
}
