import { spawn } from 'node:child_process';

/** The user and group `nobody` of most systems. */
const NOBODY = 65_534;
const TIMEOUT_MS = 60_000;

/** What another user of the machine was able to do; empty: nothing. */
export interface Loot {
  /** Paths in the data folder that could be read, listed or written. */
  readonly paths: readonly string[];
  /** What the NATS server answered to a client without credentials, by what was asked of it. */
  readonly nats: Readonly<Record<string, string>>;
  /** Environments that could be read, and secrets that stand on a command line. */
  readonly processes: readonly string[];
  readonly uid: number;
}

interface Target {
  readonly dataDir: string;
  readonly paths: readonly string[];
  readonly port: number;
  readonly pids: readonly number[];
  readonly secrets: readonly string[];
}

/**
 * A script for another user, without any module of ours, whose folder that user may not be able to enter.
 * It is told every path, port and process, which an intruder has to find.
 */
const SCRIPT = `
const fs = require('node:fs');
const net = require('node:net');
const { dataDir, paths, port, pids, secrets } = JSON.parse(fs.readFileSync(0, 'utf8'));
const loot = { paths: [], nats: {}, processes: [], uid: process.getuid() };
const attempt = (what, list, act) => { try { act(); list.push(what); } catch {} };
for (const path of paths) {
  attempt('read ' + path, loot.paths, () => fs.readFileSync(path));
  attempt('list ' + path, loot.paths, () => fs.readdirSync(path));
  attempt('write ' + path, loot.paths, () => fs.closeSync(fs.openSync(path, 'a')));
}
attempt('make', loot.paths, () => fs.writeFileSync(dataDir + '/intruder', ''));
attempt('remove', loot.paths, () => fs.renameSync(dataDir + '/state', dataDir + '/gone'));
for (const pid of pids) {
  attempt('environment of ' + pid, loot.processes, () => fs.readFileSync('/proc/' + pid + '/environ'));
  try {
    const words = fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8');
    for (const secret of secrets) if (words.includes(secret)) loot.processes.push('secret on the command line of ' + pid);
  } catch {}
}
const ASKED = {
  connect: 'PING',
  publish: 'PUB events.default.x 2\\r\\n{}\\r\\nPING',
  subscribe: 'SUB > 1\\r\\nPING',
  keys: 'SUB _INBOX.x 1\\r\\nPUB $JS.API.STREAM.INFO.KV_millrace-definitions _INBOX.x 0\\r\\n\\r\\nPING',
};
const ask = (name, lines, connect) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1');
  let heard = '';
  const done = () => { loot.nats[name] = heard.replace(/^INFO .*?\\r\\n/, '').trim(); socket.destroy(); resolve(); };
  socket.on('data', (chunk) => {
    if (heard === '') socket.write('CONNECT ' + JSON.stringify(connect) + '\\r\\n' + lines + '\\r\\n');
    heard += chunk;
    if (/PONG|-ERR/.test(heard)) done();
  });
  socket.on('error', done).on('close', done);
});
(async () => {
  for (const [name, lines] of Object.entries(ASKED)) await ask(name, lines, { verbose: false, protocol: 1 });
  await ask('guessed', 'PING', { verbose: false, user: 'millrace', pass: 'millrace' });
  process.stdout.write(JSON.stringify(loot));
})();
`;

/** Tries as the user nobody what must not be possible. Only root can ask for it. */
export function intrude(target: Target): Promise<Loot> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', SCRIPT], {
      uid: NOBODY,
      gid: NOBODY,
      cwd: '/',
      env: {},
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: TIMEOUT_MS,
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(said) as Loot);
      else reject(new Error(`the intruder ended with ${code}`));
    });
    child.stdin.end(JSON.stringify(target));
  });
}
