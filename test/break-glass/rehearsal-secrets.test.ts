import fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rehearsalChecks } from '../../src/commands/start/doctor/rehearsal.ts';
import { rescueSource } from '../../src/engine/pointer-writer.ts';
import { freshFolder } from '../fresh-folder.ts';
import { GREEN, pointerOf, restoreOf, SCOPE, stateWith } from './scene.ts';

test('a rehearsal passes the name of a secret on, and never its value', async () => {
  const request = {
    kind: 'request',
    method: 'POST',
    url: 'http://127.0.0.1:1/',
    bearerSecret: 'CF_TOKEN',
    expect: [200],
    timeoutMs: 100,
  } as const;
  const dir = stateWith(freshFolder(), [pointerOf({ knownGood: restoreOf(GREEN, { changes: [request] }) })]);
  const installed = Buffer.from('the installed program');
  fs.writeFileSync(join(dir, 'break-glass.mjs'), installed, { mode: 0o600 });
  const isProgram = (path: unknown) => path === join(dir, 'break-glass.mjs') || path === rescueSource();
  const reading = {
    ...fs,
    readFileSync: ((path: string) => (isProgram(path) ? installed : fs.readFileSync(path))) as typeof fs.readFileSync,
  };
  const words: string[] = [];
  const run = async (argv: readonly string[]) => {
    words.push(...argv);
    return { exitCode: 0, stdout: '', stderr: '' };
  };
  type Asked = Parameters<typeof rehearsalChecks>;
  const io = { fs: reading, run, secret: () => 'very-secret' };
  await rehearsalChecks({ scope: SCOPE, flags: '' } as Asked[0], dir, [], { io } as unknown as Asked[3]);
  expect(words.filter((word) => word.startsWith('CF_TOKEN='))).toContain('CF_TOKEN=set');
  expect(words.join(' ')).not.toContain('very-secret');
});
