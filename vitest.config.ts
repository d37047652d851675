import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**'],
    // Two cores: more files at once only make the timing-sensitive ones slow.
    maxWorkers: 2,
    // Bounds for what hangs: a shared machine may be slow, or stand still for seconds.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
