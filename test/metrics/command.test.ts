/** Counts from real programs: good ones, slow ones, broken ones, and ones that lie. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatePollOf } from '../../src/core/gates/counting/blocks.ts';
import { countersSince, NO_COUNTERS } from '../../src/core/gates/counting/counters.ts';
import { WHOLE } from '../../src/core/gates/gate-settings.ts';
import type { Guid } from '../../src/core/scope.ts';
import { nodeIo } from '../../src/io.ts';
import { type CommandConfig, command } from '../../src/metrics/command.ts';
import type { Question } from '../../src/metrics/metric-source.ts';
import { until } from '../servers/program.ts';
import { sourceContract } from './contract.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
const NOBODY = '51ee77aa-3333-4333-8333-333333333333' as Guid;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvd-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program of a shell script; `$1` is what stands in its first argument. */
function program(script: string, into = folder): string {
  const file = join(into, `counts-${Math.random().toString(36).slice(2)}`);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

const totals = (requests: number, errors: number, more = '') =>
  `{"targets":{"a":{"slices":{"":{"requests":${requests},"errors":${errors}${more}}}}}}`;

sourceContract('command', async () => {
  const own = mkdtempSync(join(tmpdir(), 'kvd-'));
  const hanging = join(own, 'hanging');
  const file = program(
    `[ -e ${hanging} ] && exec sleep 60
case "$1" in
  ${BLUE}) echo '${totals(500, 0)}' ;;
  ${GREEN}) echo '${totals(50, 30)}' ;;
  *) echo "no build $1" >&2; exit 3 ;;
esac`,
    own,
  );
  return {
    source: command,
    config: configOf([file, '${build}']),
    io: nodeIo,
    healthy: about(BLUE),
    failing: about(GREEN),
    unknown: about(NOBODY),
    hang: async () => writeFileSync(hanging, ''),
    close: async () => rmSync(own, { recursive: true }),
  };
});

describe('command', () => {
  it('a command source reads totals by process, slice and status', async () => {
    const statuses = ',"statuses":{"401":3,"other 4xx":1}';
    const json = `{"targets":{
      "a":{"startedAt":"2026-11-22T10:00:00Z","slices":{"eu":{"requests":10,"errors":1${statuses}},"us":{"requests":5,"errors":0}}},
      "b":{"slices":{"eu":{"requests":7,"errors":0}}}}}`;
    const arm = await counted(`cat <<'END'\n${json}\nEND`);
    expect(arm).toMatchObject({
      targets: {
        a: {
          startedMs: Date.parse('2026-11-22T10:00:00Z'),
          counters: [
            { counter: 'requests', slice: 'eu', value: 10 },
            { counter: 'errors', slice: 'eu', value: 1 },
            { counter: '401', slice: 'eu', value: 3 },
            { counter: 'other 4xx', slice: 'eu', value: 1 },
            { counter: 'requests', slice: 'us', value: 5 },
            { counter: 'errors', slice: 'us', value: 0 },
          ],
        },
        b: { startedMs: null },
      },
    });
  });

  it('a command source is judged by the difference of two runs, a restart of its process included', async () => {
    const at = (time: string, requests: number, errors: number) =>
      `echo '${totals(requests, errors).replace('"a":{', `"a":{"startedAt":"${time}",`)}'`;
    const read = async (green: string, blue: string) => {
      const file = program(`[ "$1" = ${GREEN} ] && ${green} || ${blue}`);
      return command.count(configOf([file, '${build}']), { candidate: about(GREEN), stable: about(BLUE) }, nodeIo);
    };
    const [old, young] = ['2026-11-22T10:00:00Z', '2026-11-22T10:05:00Z'];
    const before = await read(at(old, 100, 1), at(old, 1000, 2));
    const after = await read(at(young, 120, 7), at(old, 1100, 3));
    const delta = countersSince(countersSince(NO_COUNTERS, before, 5000).memory, after, 5000);
    expect(delta.candidate.arm).toEqual({ state: 'reset', why: 'a restarted' });
    expect(gatePollOf(delta, command.metrics(configOf(['x', '${build}']))).blocks['errors']?.[WHOLE]).toEqual({
      candidate: { requests: 120, failures: 7 },
      stable: { requests: 100, failures: 1 },
    });
  });

  it('a command source hands the build and the place over as one argument each, and uses no shell', async () => {
    const seen = join(folder, 'seen');
    const harm = join(folder, 'harm');
    const file = program(`for each in "$@"; do echo "<$each>"; done > ${seen}\necho '${totals(1, 0)}'`);
    const words = ['--build=${build}', '${place}:${build}', `; touch ${harm}`, `$(touch ${harm})`, '*', 'two words'];
    await command.count(configOf([file, ...words]), { candidate: about(GREEN, 'green; x'), stable: null }, nodeIo);
    expect(readFileSync(seen, 'utf8').trim().split('\n')).toEqual([
      `<--build=${GREEN}>`,
      `<green; x:${GREEN}>`,
      `<; touch ${harm}>`,
      `<$(touch ${harm})>`,
      '<*>',
      '<two words>',
    ]);
    expect(existsSync(harm)).toBe(false);
  });

  it.each([
    ['a failure, with what it complained of', 'echo "no such table" >&2; exit 2', /exited 2: no such table/],
    ['a failure that printed counts first', `echo '${totals(10, 0)}'; exit 1`, /exited 1/],
    ['a crash', 'kill -SEGV $$', /killed|cannot be run/],
    ['nothing', 'true', /did not print JSON/],
    ['words', 'echo all is well', /did not print JSON: all is well/],
    ['half of it', `printf '%.20s' '${totals(10, 0)}'`, /did not print JSON/],
    ['counts twice', `echo '${totals(10, 0)}'; echo '${totals(10, 0)}'`, /did not print JSON/],
    ['a list', 'echo "[]"', /JSON that is not valid counts/],
    ['no target', `echo '{"targets":{}}'`, /no target/],
    ['an unknown key', `echo '${totals(10, 0, ',"latency":3')}'`, /JSON that is not valid counts, at targets\.a\.slices/],
    [
      'a slice that would be left out',
      `echo '${totals(10, 0).replace('"":', '"__proto__":')}'`,
      /__proto__, which is not allowed/,
    ],
    [
      'a target that would be left out',
      `echo '${totals(10, 0).replace('"a"', '"__proto__"')}'`,
      /__proto__, which is not allowed/,
    ],
    ['a negative count', `echo '${totals(10, -1)}'`, /JSON that is not valid counts, at targets\.a\.slices\.\.errors/],
    ['a fraction', `echo '${totals(10.5, 0)}'`, /JSON that is not valid counts/],
    ['text for a number', `echo '${totals(10, 0).replace('10', '"10"')}'`, /JSON that is not valid counts/],
    [
      'a count that no number holds',
      `echo '${totals(10, 0).replace('10', '9007199254740993')}'`,
      /JSON that is not valid counts/,
    ],
    ['more errors than requests', `echo '${totals(10, 11)}'`, /more errors than requests/],
    ['more statuses than requests', `echo '${totals(10, 5, ',"statuses":{"401":6}')}'`, /more errors and statuses than requests/],
    ['a status that is not judged', `echo '${totals(10, 0, ',"statuses":{"200":5}')}'`, /JSON that is not valid counts/],
    ['more than a megabyte', 'head -c 1100000 /dev/zero | tr "\\0" x', /sent|printed|more than/],
  ])('a command source counts as missing, with the reason, when the program gives %s', async (_what, script, why) => {
    expect(await counted(script)).toEqual({ missing: expect.stringMatching(why) });
  });

  it('a command source ends a program that takes longer than two seconds, with what it started', async () => {
    const child = join(folder, 'child');
    const startedAt = performance.now();
    expect(await counted(`sleep 60 & echo $! > ${child}; wait`)).toEqual({ missing: expect.stringMatching(/2000 ms/) });
    expect(performance.now() - startedAt).toBeLessThan(3000);
    const pid = Number(readFileSync(child, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    await until('its child is gone', () => (isRunning(pid) ? undefined : true), 3000);
  });

  it('a command source counts as missing when the program is not there', async () => {
    const config = configOf([join(folder, 'gone'), '${build}']);
    const { candidate } = await command.count(config, { candidate: about(GREEN), stable: null }, nodeIo);
    expect(candidate).toEqual({ missing: expect.stringMatching(/gone cannot be run/) });
  });

  it.each([
    ['no argument that names the build', { argv: ['/bin/counts'] }],
    ['a line for a shell', { argv: '/bin/counts ${build}' }],
    ['no program', { argv: [] }],
    ['an unknown key', { argv: ['/bin/counts', '${build}'], shell: true }],
  ])('a command source does not take %s', (_what, settings) => {
    expect(command.config.safeParse(settings).success).toBe(false);
  });
});

async function counted(script: string) {
  const config = configOf([program(script), '${build}']);
  return (await command.count(config, { candidate: about(GREEN), stable: null }, nodeIo)).candidate;
}

function configOf(argv: readonly string[]): CommandConfig {
  return command.config.parse({ argv }) as CommandConfig;
}

function about(build: Guid, place = 'green'): Question {
  return { scope: { tenant: 'acme', environment: 'production', service: 'gw' }, build, place };
}

/** A zombie that nobody has waited for yet is over as well. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

it('a program may take as long as its timeout says, and 2 s where it says nothing', async () => {
  const given: number[] = [];
  const io = {
    ...nodeIo,
    run: async (_argv: readonly string[], timeoutMs: number) => {
      given.push(timeoutMs);
      return { exitCode: 0, stdout: totals(1, 0), stderr: '' };
    },
  };
  const question = {
    scope: { tenant: 'acme', environment: 'production', service: 'gw' },
    build: BLUE,
    place: 'blue',
  };
  for (const timeout of [{}, { timeout: '10s' }])
    await command.measure(command.config.parse({ argv: ['/bin/counts', '${build}'], ...timeout }) as CommandConfig, question, io);
  expect(given).toEqual([2000, 10_000]);
  expect(command.config.safeParse({ argv: ['/bin/counts', '${build}'], timeout: '31s' }).error?.message).toMatch(/at most 30s/);
});
