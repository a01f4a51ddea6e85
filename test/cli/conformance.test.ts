/** `kvdeploy conformance` through the command line, and each rule against the example script with one fault in it. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { subjectOf } from '../../src/commands/setup/conformance/program.ts';
import { trials } from '../../src/commands/setup/conformance/trials.ts';
import { nodeIo } from '../../src/io.ts';
import { freshFolder } from '../fresh-folder.ts';
import { runCli } from './run-cli.ts';

const SCRIPT = readFileSync(join(import.meta.dirname, '../../docs/examples/split-file.sh'), 'utf8');

const SPLIT = '{"environment":"production","percent":{"blue":100,"green":0}}';

/** The example script with its target `scratch`, changed as asked. */
function scriptWith(...faults: readonly (readonly [string, string])[]) {
  const folder = freshFolder();
  const script = join(folder, 'split.sh');
  for (const [right] of faults) expect(SCRIPT).toContain(right);
  writeFileSync(
    script,
    faults.reduce((text, [right, wrong]) => text.replace(right, wrong), SCRIPT),
  );
  chmodSync(script, 0o755);
  writeFileSync(join(folder, 'scratch.json'), SPLIT);
  return { folder, script, argv: [script, folder], file: join(folder, 'scratch.json') };
}

async function attempt(name: string, argv: readonly string[], timeoutMs = 10_000): Promise<string> {
  const trial = trials.find((one) => one.name === name);
  if (trial === undefined) throw new Error(`there is no rule ${name}`);
  const subject = subjectOf(argv, 'scratch', timeoutMs, nodeIo);
  const stranger = subjectOf(argv, 'kvdeploy-no-such-target', timeoutMs, nodeIo);
  return trial.attempt({ subject, stranger, target: 'scratch', timeoutMs });
}

describe('conformance at the command line', () => {
  test('conformance without a terminal and without --confirm runs nothing and exits 2', async () => {
    const { folder, script } = scriptWith(['set -eu', 'set -eu; touch "$1/ran"']);
    const { exitCode, stderr } = await runCli(['conformance', '--', script, folder]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/NO_TERMINAL .*Nothing was run/);
    expect(stderr).toContain('--confirm scratch');
    expect(existsSync(join(folder, 'ran'))).toBe(false);
  });

  test.each([
    [['--confirm', 'production'], 'NOT_CONFIRMED'],
    [['--confirm', 'scratch', '--timeout', 'soon'], 'USAGE'],
  ])('conformance with %j runs nothing and exits 2', async (words, code) => {
    const { folder, script } = scriptWith(['set -eu', 'set -eu; touch "$1/ran"']);
    const { exitCode, stderr } = await runCli(['conformance', ...words, '--', script, folder]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(code);
    expect(existsSync(join(folder, 'ran'))).toBe(false);
  });

  test('the example script keeps every rule, and has its old split afterwards', async () => {
    const { argv, file } = scriptWith();
    const { exitCode, stdout } = await runCli(['conformance', '--confirm', 'scratch', '--json', '--', ...argv], {
      timeoutMs: 120_000,
    });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; name: string; ok?: boolean });
    const checks = lines.filter(({ type }) => type === 'check');
    expect(checks.filter(({ ok }) => ok !== true)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(trials.map(({ name }) => name));
    expect(exitCode).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(SPLIT));
  }, 150_000);

  test('a program that breaks a rule is named with the rule, and exits 3', async () => {
    const { argv } = scriptWith([
      '[ -f "$file" ] || refuse "there is no target $target"',
      '[ -f "$file" ] || file=$folder/scratch.json',
    ]);
    const { exitCode, stderr } = await runCli(['conformance', '--confirm', 'scratch', '--', ...argv], { timeoutMs: 120_000 });
    expect(stderr).toMatch(/an unknown target is refused .*FAILED: set exited 0/);
    expect(stderr).toMatch(/CONFORMANCE_FAILED .*breaks 1 of 13 rules/);
    expect(exitCode).toBe(3);
  }, 150_000);
});

describe('what conformance finds', () => {
  test.each([
    [
      'read says the same twice',
      'percent: .percent, s',
      'percent: {blue: (now * 1000 % 100), green: (100 - (now * 1000 % 100))}, s',
      'the second read',
    ],
    ['set moves everything, and read shows it', 'mv "$folder/.$target.new" "$file"', ':', 'read after set to'],
    [
      'set makes the steps that read promises',
      'smallestPercent: 0.1',
      'smallestPercent: 0.01',
      'a share that is no multiple of 0.1',
    ],
    [
      'the same set again changes nothing',
      'new=$(',
      '[ "$(jq -c .percent "$file")" != "$(printf %s "$input" | jq -c .percent)" ] || refuse twice; new=$(',
      'twice',
    ],
    [
      'the order of places does not matter',
      'input=$(head -c 65536)',
      'input=$(head -c 65536); case $input in *drain*) echo no >&2; exit 4;; esac',
      'exited 4: no',
    ],
    ['an unknown format is refused', 'select(.formatVersion == 1) | ', '', 'exited 0'],
    [
      'a split that cannot be is refused, and changes nothing',
      'elif (.percent | add - 100 | fabs) > 1e-6 then error("the shares do not sum to 100")',
      '',
      'a sum of 90',
    ],
    [
      'garbage and huge input is refused, and changes nothing',
      "refuse 'this is not a request of format 1 for a target'",
      'exit 0',
      'exited 0',
    ],
    ['two sets at once leave one of the two', 'flock 9', 'flock 9; sleep 0.5; echo broken > "$file"', 'parse error'],
    ['it is quick enough', 'case $verb in', 'sleep 1.2; case $verb in', 'more than half of the 2000 ms'],
  ])(
    'the rule "%s" finds a program that breaks it',
    async (name, right, wrong, why) => {
      const { argv } = scriptWith([right, wrong]);
      await expect(attempt(name, argv, name === 'it is quick enough' ? 2000 : 10_000)).rejects.toThrow(why);
    },
    60_000,
  );

  test('a set in two steps is found by a kill between them', async () => {
    const half =
      'printf \'{"environment":"production","percent":{"blue":50,"green":50}}\' >"$file"; sleep 0.4; mv "$folder/.$target.new" "$file"';
    const { argv } = scriptWith(['mv "$folder/.$target.new" "$file"', half]);
    await expect(attempt('killed in the middle it leaves the old split or the new one', argv)).rejects.toThrow(
      /it left blue 50 %, green 50 %, neither/,
    );
  }, 60_000);

  test('a program that never ends on bad input has not refused it', async () => {
    const { argv } = scriptWith(["refuse 'this is not a request of format 1 for a target'", 'sleep 60']);
    await expect(attempt('an unknown format is refused', argv, 500)).rejects.toThrow(
      /did not refuse: .*did not end within 500 ms/,
    );
  }, 60_000);
});
