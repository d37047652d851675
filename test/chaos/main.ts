import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { FAULTS } from './faults.ts';

/** `npm run chaos -- --minutes N --seed S [--kinds a,b] [--faults N]`: the last line is the result as JSON. */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string', default: '1' },
    kinds: { type: 'string', default: FAULTS.map(({ kind }) => kind).join() },
    faults: { type: 'string', default: '100' },
  },
});

const result = await runChaos({
  seed: Number(values.seed),
  minutes: Number(values.minutes),
  max_faults: Number(values.faults),
  kinds: values.kinds.split(','),
  tell: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(result.failures.length + Object.keys(result.violations).length === 0 ? 0 : 1);
