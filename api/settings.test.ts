import { describe, expect, it } from 'vitest';
import { readSettings, settingsSchema } from './settings.ts';

describe('readSettings', () => {
  it('has a default for everything', () => {
    expect(readSettings({})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      dataDir: expect.stringMatching(/\/data$/),
      natsUrl: undefined,
      adminKey: undefined,
      logLevel: 'info',
      cubeCellsPerDay: 100_000,
      dedupMemoryIds: 10_000_000,
      retentionDays: 400,
      allowedOutOfOrderness_ms: 30_000,
    });
  });

  it('takes empty variables as absent, and adds cubes to the default ones', () => {
    const settings = readSettings({ PORT: '', CUBES: 'channel+payment_method+country, sku+channel,country' });
    expect(settings.port).toBe(8080);
    const names = settings.cubes.map(({ name }) => name);
    expect(names).toContain('channel+country+payment_method');
    expect(names).toContain('channel+sku');
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '8080.5'],
    ['LOG_LEVEL', 'loud'],
    ['NATS_URL', 'http://x'],
    ['CUBES', 'country+colour'],
    ['CUBE_CELLS_PER_DAY', '0'],
    ['ALLOWED_OUT_OF_ORDERNESS', '30'],
    ['ALLOWED_OUT_OF_ORDERNESS', '9d'],
    ['RETENTION_DAYS', 'forever'],
    ['ADMIN_KEY', 'two words'],
  ])('stops for %s=%s with a sentence that names it', (name, value) => {
    const read = (): unknown => readSettings({ [name]: value });
    expect(read).toThrow(expect.objectContaining({ code: 'bad_setting' }));
    expect(read).toThrow(new RegExp(`Bad setting: ${name} .+\\.`));
  });

  it('does not repeat secrets', () => {
    expect(() => readSettings({ ADMIN_KEY: 'my secret' })).toThrow(/^(?!.*my secret)/);
  });

  it('describes every setting', () => {
    for (const [name, schema] of Object.entries(settingsSchema.shape))
      expect(schema.description, name).toBeTruthy();
  });
});
