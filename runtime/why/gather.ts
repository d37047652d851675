import { lookAtStream, type NatsLink } from '../../connectors/index.ts';
import { asMillraceError, type Progress, type Topology } from '../../engine/index.ts';
import type { HostFacts, InputFacts, WhyFacts } from './facts.ts';

/** How long the server may take to say something of all streams, ms. */
const LOOK_TIMEOUT_MS = 1_500;

/** Where the facts of a diagnosis come from. */
export interface WhyPlace {
  readonly topology: Topology;
  readonly inputs: readonly Pick<InputFacts, 'node' | 'stream' | 'filter'>[];
  /** Undefined: no process runs the topology. */
  readonly host: HostFacts | undefined;
  readonly progress: Progress | undefined;
  /** A connection, or why there is none. */
  readonly nats: NatsLink | { readonly url: string; readonly code: string; readonly message: string };
}

/** Collects what there is to know, within two seconds; what a server does not say in that time is not known. */
export async function gatherFacts({ topology, inputs, host, progress, nats }: WhyPlace): Promise<WhyFacts> {
  const base = { topology: topology.describe(), host, progress };
  const unseen = (code: string, message: string): WhyFacts => ({
    ...base,
    inputs: inputs.map(({ node, stream, filter }) => ({ node, stream, filter, look: undefined })),
    nats: { url: nats.url, problem: { code, message } },
  });
  if (!('connection' in nats)) return unseen(nats.code, nats.message);
  if (!nats.connected) return unseen('nats_unreachable', `There is no connection to ${nats.url}.`);
  try {
    const looks = inputs.map(
      async ({ node, stream, filter }): Promise<InputFacts> => ({
        node,
        stream,
        filter,
        look: await lookAtStream(nats, stream, filter),
      }),
    );
    return { ...base, inputs: await within(Promise.all(looks)), nats: { url: nats.url } };
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return unseen(code, message);
  }
}

/** Rejects after `LOOK_TIMEOUT_MS`. */
async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The NATS server does not answer.')), LOOK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
