/** A rehearsal of a pointer that is almost full: whoever reads its output takes no more than 1 MiB. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAX_OUTPUT_BYTES, runProgram } from '../../src/base/changes/run-program.ts';
import { encodePointer, MAX_POINTER_BYTES } from '../../src/base/pointer/pointer-format.ts';
import { freshFolder } from '../fresh-folder.ts';
import { bundle, GREEN, pointerOf, restoreOf, stateWith } from './scene.ts';

test('a rehearsal of an almost full pointer says all that doctor reads in far less than 1 MiB', { timeout: 60_000 }, async () => {
  const folder = freshFolder();
  const program = await bundle(join(import.meta.dirname, '../../src/break-glass/main.ts'), folder);
  const changes = Array.from({ length: 120 }, (_one, at) => ({
    kind: 'socket' as const,
    address: join(folder, `no-${at}.sock`),
    commands: Array.from({ length: 100 }, (_two, server) => `set server gw/member-${at}-${server} weight 256 ${'x'.repeat(36)}`),
    timeoutMs: 500,
  }));
  const checks = changes.map((_change, at) => ({
    kind: 'http' as const,
    url: `http://127.0.0.1:1/no-${at}`,
    json: ['a'],
    equals: '',
    timeoutMs: 500,
  }));
  const knownGood = restoreOf(GREEN, { changes, checks });
  expect(encodePointer({ ...pointerOf({ knownGood }), generation: 1 }).length).toBeGreaterThan(0.85 * MAX_POINTER_BYTES);
  stateWith(folder, [pointerOf({ knownGood })]);
  const argv = [process.execPath, program, '--state-dir', folder, '--env', 'production', '--rehearse', '--json'];
  const { stdout, stderr } = await runProgram(argv, 30_000, () => undefined);
  expect(stdout.length + stderr.length).toBeLessThan(MAX_OUTPUT_BYTES / 8);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.find(({ name }) => name === 'break-glass')).toMatchObject({ data: { build: { guid: GREEN } } });
  expect(lines.find(({ name }) => name === 'rehearsal').data.doubts.at(-1)).toMatch(/^and \d+ more$/);
  expect(lines.at(-1)).toMatchObject({ type: 'result', code: 'NOT_VERIFIED' });
});
