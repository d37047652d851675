import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * Puts what the API's pages load beside the route that serves it, compressed, with the licences. The packages would
 * bring 80 MB of sources, maps and other packages to everybody who installs this one. `npm run build` runs it, from
 * `dist/scripts`.
 */
const TARGET = resolve(import.meta.dirname, '..', 'api', 'app', 'pages');

interface Assets {
  readonly name: string;
  readonly files: readonly string[];
  readonly licenses: readonly string[];
}

const PACKAGES: readonly Assets[] = [
  {
    name: 'swagger-ui-dist',
    files: ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'],
    licenses: ['LICENSE', 'NOTICE', 'swagger-ui-bundle.js.LICENSE.txt'],
  },
  {
    name: 'redoc',
    files: ['bundles/redoc.standalone.js'],
    licenses: ['LICENSE', 'bundles/redoc.standalone.js.LICENSE.txt'],
  },
];

const require = createRequire(import.meta.url);

function licensesOf({ name, licenses }: Assets, folder: string): readonly string[] {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return licenses.map(
    (file) => `==== ${name} ${version}: ${file}\n\n${readFileSync(join(folder, file), 'utf8')}`,
  );
}

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
const said: string[] = [];
for (const assets of PACKAGES) {
  const folder = dirname(require.resolve(`${assets.name}/package.json`));
  for (const file of assets.files) {
    const bytes = gzipSync(readFileSync(join(folder, file)), { level: 9 });
    writeFileSync(join(TARGET, `${basename(file)}.gz`), bytes);
  }
  said.push(...licensesOf(assets, folder));
}
writeFileSync(join(TARGET, 'LICENSES.txt'), said.join('\n'));
