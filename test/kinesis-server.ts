import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** A server of Kinesis's interface for tests, behind a way that can be cut. */
export interface TestKinesis {
  readonly endpoint: string;
  readonly client: KinesisClient;
  /** Nobody reaches it until `mend`. */
  cut(): void;
  mend(): void;
  stop(): Promise<void>;
}

type Kinesalite = (options: object) => Server;

export async function startTestKinesis(): Promise<TestKinesis> {
  const kinesalite = createRequire(import.meta.url)('kinesalite') as Kinesalite;
  const times = { createStreamMs: 10, deleteStreamMs: 10, updateStreamMs: 10 };
  const server = kinesalite(times);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: inner } = server.address() as AddressInfo;
  const open = new Set<Socket>();
  let isCut = false;
  const way = createServer((socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const beyond = connect(inner, '127.0.0.1');
    for (const end of [socket, beyond]) {
      open.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        open.delete(end);
        socket.destroy();
        beyond.destroy();
      });
    }
    socket.pipe(beyond).pipe(socket);
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(way.address() as AddressInfo).port}`;
  const client = new KinesisClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    endpoint: `http://127.0.0.1:${inner}`,
    requestHandler: new NodeHttpHandler(),
  });
  return {
    endpoint,
    client,
    cut: () => {
      isCut = true;
      for (const end of open) end.destroy();
    },
    mend: () => {
      isCut = false;
    },
    stop: async () => {
      client.destroy();
      for (const end of open) end.destroy();
      await Promise.all([server, way].map((one) => new Promise((resolve) => one.close(resolve))));
    },
  };
}
