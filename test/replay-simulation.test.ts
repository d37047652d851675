import { expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { sizes } from './long.ts';
import { simulatedDefinitions } from './simulated-definitions.ts';
import { Installation } from './simulated-installation.ts';
import { generate, publish } from './simulated-orders.ts';

it('a generation that takes the place of another, with crashes at any step, has the same digest and sends the same', async () => {
  let crashes = 0;
  for (let seed = 0; seed < sizes.replay_seeds; seed++) {
    const set = generate({ seed, orders: 4, ties: true });
    const { messages } = publish(set, new SeededRandom(seed), true);
    const definitions = simulatedDefinitions(new SeededRandom(seed), seed % 2 === 0 ? 0 : 12);
    const straight = new Installation({ seed, messages, definitions, isFaulty: false });
    const wanted = await straight.run(false);
    const disturbed = new Installation({ seed, messages, definitions, isFaulty: true });
    expect(await disturbed.run(true), `seed ${seed}`).toEqual(wanted);
    expect(disturbed.sent, `seed ${seed}`).toEqual(straight.sent);
    crashes += disturbed.crashes;
  }
  expect(crashes).toBeGreaterThan(sizes.replay_seeds / 2);
});
