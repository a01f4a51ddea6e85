/** How the tests run: two workers, real processes, and two projects: the quick one of `npm test`, and the deep one. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

export default defineConfig({
  root,
  define: { KVDEPLOY_VERSION: JSON.stringify(version) },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'quick', include: ['test/**/*.test.ts'], exclude: ['test/**/*.deep.test.ts'] } },
      { extends: true, test: { name: 'deep', include: ['test/**/*.deep.test.ts'], testTimeout: 600_000, hookTimeout: 120_000 } },
    ],
  },
});
