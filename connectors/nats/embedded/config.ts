import { resolve } from 'node:path';

/** The files of one embedded server. All but the store lie beside it, named after it: `data/nats.conf`. */
export interface ServerFiles {
  readonly storeDir: string;
  readonly configFile: string;
  readonly pidFile: string;
  readonly logFile: string;
  /** What the server says outside its log: a broken configuration, a crash. */
  readonly errorFile: string;
  /** The server writes the address it really listens on into a file in here. */
  readonly portsDir: string;
}

export interface ServerSettings {
  /** 0: the server takes a free one. */
  readonly port: number;
  readonly maxPayloadBytes: number;
  readonly syncInterval: string;
  /** Accounts and users as a part of the configuration; empty: whoever can connect may do everything. */
  readonly accounts: string;
}

export const LOOPBACK = '127.0.0.1';
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/** @param storeDir an absolute path */
export function serverFiles(storeDir: string, logFile?: string): ServerFiles {
  return {
    storeDir,
    configFile: `${storeDir}.conf`,
    pidFile: `${storeDir}.pid`,
    logFile: logFile === undefined ? `${storeDir}.log` : resolve(logFile),
    errorFile: `${storeDir}.err`,
    portsDir: `${storeDir}.ports`,
  };
}

/**
 * The server's configuration file. `sync_interval` is how often JetStream fsyncs: an acknowledged message is
 * in the operating system's cache and survives the death of this process and of the server, but a power cut
 * or a kernel crash loses up to that interval of them (NATS's own default is two minutes).
 */
export function serverConfig(files: ServerFiles, settings: ServerSettings): string {
  // JSON's strings are strings of this format too, and its `-1` asks for a free port.
  const text = (value: string): string => JSON.stringify(value);
  return `# Written at every start of the embedded server; changes are lost.
host: ${text(LOOPBACK)}
port: ${settings.port === 0 ? -1 : settings.port}
max_payload: ${settings.maxPayloadBytes}
ports_file_dir: ${text(files.portsDir)}
log_file: ${text(files.logFile)}
logfile_size_limit: ${LOG_LIMIT_BYTES}
logfile_max_num: 3
jetstream {
  store_dir: ${text(files.storeDir)}
  sync_interval: ${text(settings.syncInterval)}
  # The disk is the limit. The server's own default is a share of what is free at its start, which shrinks
  # as the store grows, until a restart refuses the streams it already has.
  max_file_store: 1TB
  max_memory_store: 1GB
}
${settings.accounts}`;
}
