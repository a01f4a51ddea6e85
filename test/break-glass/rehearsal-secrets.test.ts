import fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../../src/base/changes/run-program.ts';
import { rehearsalChecks } from '../../src/commands/start/doctor/rehearsal.ts';
import { rescueSource } from '../../src/engine/pointer-writer.ts';
import { freshFolder } from '../fresh-folder.ts';
import { GREEN, pointerOf, restoreOf, SCOPE, stateWith } from './scene.ts';

/** What a shell would read as something else. */
const ODD = `'"\\ $(id) \`id\` = %s `;

test('a rehearsal passes on only the name of a secret that changes need, and in no argument list the one that is asked with', async () => {
  const request = {
    kind: 'request',
    method: 'POST',
    url: 'http://127.0.0.1:1/',
    bearerSecret: 'CF_TOKEN',
    expect: [200],
    timeoutMs: 100,
  } as const;
  const secret = { name: 'READ_TOKEN', header: 'x-token' };
  const asked = { kind: 'http', url: 'http://127.0.0.1:1/', header: 'x', equals: GREEN, secret, timeoutMs: 100 } as const;
  const knownGood = restoreOf(GREEN, { changes: [request], identity: [asked] });
  const dir = stateWith(freshFolder(), [pointerOf({ knownGood })]);
  const installed = Buffer.from('the installed program');
  fs.writeFileSync(join(dir, 'break-glass.mjs'), installed, { mode: 0o600 });
  const isProgram = (path: unknown) => path === join(dir, 'break-glass.mjs') || path === rescueSource();
  const reading = {
    ...fs,
    readFileSync: ((path: string) => (isProgram(path) ? installed : fs.readFileSync(path))) as typeof fs.readFileSync,
  };
  const words: string[] = [];
  const inputs: string[] = [];
  const environments: unknown[] = [];
  const run = async (argv: readonly string[], _timeoutMs: number, _allowed: unknown, stdin = '') => {
    words.push(...argv);
    inputs.push(stdin);
    // The same words, but with a program that says what it was given.
    const tell = [process.execPath, '-e', 'console.log(JSON.stringify(process.env))'];
    const before = argv.slice(0, argv.indexOf(process.execPath));
    const told = stdin === '' ? undefined : await runProgram([...before, ...tell], 20_000, () => undefined, stdin);
    if (told?.exitCode === 0) environments.push(JSON.parse(told.stdout));
    return { exitCode: 0, stdout: '', stderr: '' };
  };
  type Asked = Parameters<typeof rehearsalChecks>;
  const io = { fs: reading, run, secret: (name: string) => `very-secret-${name}${ODD}` };
  await rehearsalChecks({ scope: SCOPE, flags: '' } as Asked[0], dir, [], { io } as unknown as Asked[3]);
  expect(inputs).toContain(`CF_TOKEN=set\nREAD_TOKEN=very-secret-READ_TOKEN${ODD}\n`);
  expect(environments).not.toEqual([]);
  const given = { CF_TOKEN: 'set', READ_TOKEN: `very-secret-READ_TOKEN${ODD}` };
  for (const environment of environments) expect(environment).toEqual({ ...given, PWD: '/' });
  expect(words.join(' ')).not.toContain('very-secret');
});
