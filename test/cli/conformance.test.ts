/** `kvdeploy conformance` through the command line, and each rule against the example script with one fault in it. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { trials } from '../../src/commands/setup/conformance/trials.ts';
import { attempt, BAD_PROGRAMS, ruleOf, SPLIT, scriptWith } from './bad-programs.ts';
import { runCli, runInTerminal, startCli } from './run-cli.ts';

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

  test('conformance at a terminal asks for the word scratch, and any other word runs nothing', async () => {
    const { folder, script } = scriptWith(['set -eu', 'set -eu; touch "$1/ran"']);
    for (const type of ['yes\r', 'production\r', '\r', '\u0003']) {
      const { exitCode } = await runInTerminal(['conformance', '--', script, folder], {
        keys: [{ waitFor: /Type scratch to continue/, type }],
      });
      expect(exitCode === 2 || exitCode === 130, `${exitCode}`).toBe(true);
      expect(existsSync(join(folder, 'ran'))).toBe(false);
    }
    rmSync(join(folder, 'scratch.json'));
    const { exitCode } = await runInTerminal(['conformance', '--', script, folder], {
      keys: [{ waitFor: /Type scratch to continue/, type: 'scratch\r' }],
    });
    expect(exitCode).toBe(3);
    expect(existsSync(join(folder, 'ran'))).toBe(true);
  }, 60_000);

  test.each([
    ['a path of this folder', ['./split.sh', '/tmp']],
    ['a path of the home folder', ['~/split.sh']],
    ['a name on PATH', ['sh', '-c', 'exit 0']],
    ['a line for a shell', ['sh -c "exit 0"']],
  ])('conformance runs no program that the config could not name: %s', async (_what, argv) => {
    const { exitCode, stderr } = await runCli(['conformance', '--confirm', 'scratch', '--', ...argv]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/USAGE .*the program is an absolute path.*nothing was run/);
  });

  test.each([
    ['has no scratch target', ['read) ', 'read) refuse "there is no target scratch";'], /there is no target scratch/],
    ['reads garbage', ['read) ', 'read) echo ok; exit 0;'], /did not print one JSON document/],
    ['prints 100 MB', ['read) ', 'read) yes | head -c 100000000; exit 0;'], /printed more than 1048576 bytes/],
  ] as const)('conformance tries no rule and sets nothing where the program %s', async (_what, fault, why) => {
    const { argv, folder } = scriptWith([fault[0], fault[1]], ['set)', 'set) touch "$folder/set";']);
    const { exitCode, stderr } = await runCli(['conformance', '--confirm', 'scratch', '--', ...argv]);
    expect(stderr).toMatch(/CONFORMANCE_FAILED {2}No rule was tried, and nothing was set/);
    expect(stderr).toMatch(why);
    expect(stderr).toContain(`| ${argv.join(' ')} read`);
    expect(exitCode).toBe(3);
    expect(existsSync(join(folder, 'set'))).toBe(false);
  });

  test('Ctrl-C in the middle of conformance ends with the run that is under way, and gives scratch its split back', async () => {
    const slow = 'echo $$ >>"$folder/pids"; sleep 0.2; mv "$folder/.$target.new" "$file"; rm "$folder/pids"';
    const { argv, folder, file } = scriptWith(['mv "$folder/.$target.new" "$file"', slow]);
    const going = startCli(['conformance', '--confirm', 'scratch', '--', ...argv], { timeoutMs: 60_000 });
    await going.waitFor(/✔ read says the same twice/, 30_000);
    await expect.poll(() => existsSync(join(folder, 'pids')), { timeout: 30_000, interval: 5 }).toBe(true);
    going.signal('SIGINT');
    const { exitCode, stderr } = await going.ended;
    expect(stderr).toMatch(/SIGINT: ending after the program's run that is under way/);
    expect(stderr).toMatch(/INTERRUPTED .*scratch has the split that it had before/);
    expect(exitCode).toBe(130);
    expect(existsSync(join(folder, 'pids'))).toBe(false);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(SPLIT));
  }, 90_000);

  test('conformance believes that scratch has its old split back only when read says so', async () => {
    const count = 'echo x >>"$folder/sets"; [ "$(wc -l <"$folder/sets")" -lt 3 ] || exit 0;';
    const { argv } = scriptWith(['set)', `set) ${count}`]);
    const { exitCode, stderr } = await runCli(['conformance', '--confirm', 'scratch', '--', ...argv], { timeoutMs: 120_000 });
    expect(stderr).toContain('scratch could not be given the split that it had before: blue 100 %, green 0 %, grey 0 %.');
    expect(exitCode).toBe(3);
  }, 150_000);
});

describe('what conformance finds', () => {
  test.each(BAD_PROGRAMS)(
    'the rule "$breaks" finds a program that breaks it',
    async ({ breaks, faults, why }) => {
      await expect(attempt(ruleOf(breaks), scriptWith(...faults).argv)).rejects.toThrow(why);
    },
    60_000,
  );

  test('a program that takes more than half of its time is not quick enough', async () => {
    const { argv } = scriptWith(['case $verb in', 'sleep 1.2; case $verb in']);
    await expect(attempt(ruleOf('it is quick enough'), argv, 2000)).rejects.toThrow('more than half of the 2000 ms');
  }, 60_000);

  test('a program that never ends on bad input has not refused it', async () => {
    const { argv } = scriptWith(["refuse 'this is not a request of format 1 for a target'", 'sleep 60']);
    await expect(attempt(ruleOf('an unknown format is refused'), argv, 500)).rejects.toThrow(
      /did not refuse: .*did not end within 500 ms/,
    );
  }, 60_000);

  test.each([
    ['exits 1 after it has set', ['sync "$folder"\n', 'exit 1\n'], 'exited 1'],
    ['sets half of it and says that it is done', ['mv "$folder/.$target.new" "$file"', 'rm "$folder/.$target.new"'], 'shows'],
    ['says that it failed and ends well', ['mv "$folder/.$target.new" "$file"', 'echo "no such load balancer" >&2'], 'shows'],
    ['leaves a child that keeps its output open', ['set)', 'set) sleep 30 &'], 'did not end within 1500 ms'],
  ] as const)('a program that %s does not move everything', async (_what, fault, why) => {
    const { argv } = scriptWith([fault[0], fault[1]]);
    await expect(attempt(ruleOf('set moves everything, and read shows it'), argv, 1500)).rejects.toThrow(why);
  });
});
