import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { EXIT, EXIT_OF } from '../../src/base/codes.ts';
import { RESCUE_CODES } from '../../src/break-glass/refusal.ts';
import { buildProgram } from '../../src/cli.ts';
import { EXIT_WORDS, EXPLANATIONS, exitOf } from '../../src/explain/explanations.ts';
import { runCli } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(ROOT, 'src', name), 'utf8') }));
const codesIn = (text: string) => [...text.matchAll(/'([A-Z]+(?:_[A-Z]+)*)'/g)].map((found) => found[1] ?? '');
const FINDING_CODES = codesIn(/type FindingCode =([^;]*);/.exec(textOf('core/errors.ts'))?.[1] ?? '');

function textOf(name: string): string {
  return SOURCES.find((source) => source.name === name)?.text ?? '';
}

/** Every command of the command line with the long options that it takes, `pointer verify` by both words. */
function commands(): ReadonlyMap<string, readonly string[]> {
  const flagsOf = (command: ReturnType<typeof buildProgram>) => ['--help', ...command.options.map((option) => option.long ?? '')];
  return new Map(
    buildProgram(async () => {}).commands.flatMap((command) => [
      [command.name(), flagsOf(command)] as const,
      ...command.commands.map((part) => [`${command.name()} ${part.name()}`, flagsOf(part)] as const),
    ]),
  );
}

const said = Object.entries(EXPLANATIONS).flatMap(([code, { means, causes, todo }]) =>
  [means, ...causes, ...todo].map((text) => ({ code, text })),
);

describe('every code is explained', () => {
  test('each error and each finding has an explanation, and nothing else has one', () => {
    expect(FINDING_CODES).toHaveLength(17);
    expect(Object.keys(EXPLANATIONS).sort()).toEqual([...Object.keys(EXIT_OF), ...FINDING_CODES].sort());
  });

  test('each explained code is really thrown or returned somewhere', () => {
    const lists = ['base/codes.ts', 'core/errors.ts', 'break-glass/refusal.ts'];
    const used = new Set(SOURCES.filter(({ name }) => !lists.includes(name)).flatMap(({ text }) => codesIn(text)));
    expect(Object.keys(EXPLANATIONS).filter((code) => !used.has(code))).toEqual([]);
    const inRescue = SOURCES.filter(({ name }) => name.startsWith('break-glass/') && !lists.includes(name));
    const usedThere = new Set(inRescue.flatMap(({ text }) => codesIn(text)));
    expect(RESCUE_CODES.length).toBeGreaterThan(10);
    expect(RESCUE_CODES.filter((code) => !usedThere.has(code))).toEqual([]);
  });

  test.each(Object.entries(EXPLANATIONS))('code %s says enough, in sentences', (code, { means, example, causes, todo }) => {
    for (const text of [means, example, ...causes, ...todo]) expect(text).toMatch(/^[^\s].*\S$/);
    expect(means).toMatch(/\.$/);
    expect(Math.min(causes.length, todo.length)).toBeGreaterThan(0);
    expect(exitOf(code)).toBeTypeOf('number');
  });

  test('each command that an explanation names exists, with each of its options', () => {
    const known = commands();
    const faults = said.flatMap(({ code, text }) =>
      [...text.matchAll(/(?:^|: )kvdeploy ([a-z]+)((?: [^ ;,]+)*)/g)].flatMap(([whole, name = '', rest = '']) => {
        const part = `${name} ${rest.trim().split(' ')[0]}`;
        const flags = known.get(part) ?? known.get(name);
        const wrong = [...rest.matchAll(/--[a-z-]+/g)].filter(([flag]) => flags?.includes(flag) !== true);
        return flags === undefined || wrong.length > 0 ? [`${code}: ${whole}`] : [];
      }),
    );
    expect(faults).toEqual([]);
    expect(said.filter(({ text }) => text.includes('kvdeploy ')).length).toBeGreaterThan(60);
  });
});

describe('explain', () => {
  test('explain says what a code means, offline and in an empty folder', async () => {
    const { exitCode, stdout, stderr } = await runCli(['explain', 'FOREIGN_BUILD']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^FOREIGN_BUILD {2}\(exit 3\)\n/);
    for (const word of ['for example', 'causes', 'try', 'kvdeploy builds --env E']) expect(stdout).toContain(word);
  });

  test('explain takes a code in any case, and gives it as a document', async () => {
    const { exitCode, json } = await runCli(['explain', 'shared-target', '--json']);
    expect(exitCode).toBe(0);
    expect(json[1]).toMatchObject({ type: 'document', name: 'explanation', data: { code: 'SHARED_TARGET', exitCode: 2 } });
  });

  test('explain lists every code in one line each', async () => {
    const { exitCode, stdout } = await runCli(['explain']);
    expect(exitCode).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(Object.keys(EXPLANATIONS));
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(160);
  });

  test('explain prints the exit codes as the manual has them', async () => {
    const { exitCode, stdout } = await runCli(['explain', 'exit-codes']);
    expect(exitCode).toBe(0);
    const manual = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
    for (const [name, { means, traffic }] of Object.entries(EXIT_WORDS)) {
      expect(stdout).toContain(means);
      expect(manual).toContain(`| ${EXIT[name as keyof typeof EXIT]} | ${means} | ${traffic} |`);
    }
  });

  test.each([
    ['FOREIGN_BILD', 'kvdeploy explain FOREIGN_BUILD'],
    ['exit-code', 'kvdeploy explain exit-codes'],
    ['WHATEVER', 'See all codes: kvdeploy explain'],
  ])('explain refuses %s and suggests: %s', async (asked, hint) => {
    const { exitCode, stderr } = await runCli(['explain', asked]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('UNKNOWN_NAME');
    expect(stderr).toContain(hint);
  });

  test('explain works where nothing else may start', async () => {
    const { exitCode } = await runCli(['explain', 'UNSAFE_ENVIRONMENT'], { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
    expect(exitCode).toBe(0);
  });
});
