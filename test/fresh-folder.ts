/** Folders for tests, gone again after the test file that asked for them. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function freshFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kvdeploy-test-')));
  made.push(folder);
  return folder;
}
