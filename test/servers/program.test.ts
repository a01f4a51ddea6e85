import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startProgram, tempFolder, until } from './program.ts';

it('a test names the package of a server that is not installed, instead of skipping', async () => {
  const { folder, remove } = tempFolder();
  await expect(startProgram('no-such-server', [], folder)).rejects.toThrow(
    /no-such-server is not installed.*apt-get install no-such-server/,
  );
  remove();
});

it('a started server is known by its own process id, so that signals reach it', async () => {
  const { folder, remove } = tempFolder();
  const sleeping = await startProgram('sleep', ['60'], folder);
  await until('it is sleep', () => (readFileSync(`/proc/${sleeping.pid}/comm`, 'utf8') === 'sleep\n' ? true : undefined));
  await sleeping.signal('SIGTERM');
  expect(sleeping.exited()).toBe(true);
  expect(() => process.kill(sleeping.pid, 0)).toThrow(/ESRCH/);
  remove();
});
