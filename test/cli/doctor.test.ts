import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { secretsOf } from '../../src/base/changes/prepare.ts';
import type { DoctorCheck } from '../../src/commands/start/doctor/check.ts';
import { circularChanges } from '../../src/commands/start/doctor/rehearsal.ts';
import { clockCheck } from '../../src/commands/start/doctor/target.ts';
import type { Target } from '../../src/engine/target.ts';
import type { Deps } from '../../src/release/deps.ts';
import { readingOf } from '../routers/readings.ts';
import { contents, fingerprint } from './fingerprint.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliOptions } from './run-cli.ts';

let site: LocalSite;

beforeAll(async () => {
  site = await openLocalSite(['production']);
  site.writeConfig({ copies: [join(site.folder, 'copy')] });
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(() => {
  site.writeConfig({ copies: [join(site.folder, 'copy')] });
  site.writeManifest('production', [BLUE, GREEN]);
});

const scopeDir = () => join(site.stateDir, 'acme/production/kv-gateway');
const pointerDir = () => join(scopeDir(), 'pointer');
const everything = () => [site.stateDir, join(site.folder, 'copy'), site.home, site.checkout, site.routes('production')];

function edit(file: string, from: string | RegExp, to: string): void {
  const text = readFileSync(file, 'utf8');
  expect(text).toMatch(from);
  writeFileSync(file, text.replace(from, to));
}

interface Sections {
  readonly sections: readonly {
    readonly scope: { readonly environment: string } | null;
    readonly checks: readonly DoctorCheck[];
  }[];
}

async function examine(args: readonly string[] = PRODUCTION, options: CliOptions = {}) {
  const answer = await site.run(['doctor', ...args, '--json'], options);
  const document = answer.json.find((line) => line.type === 'document');
  const { sections } = (document?.type === 'document' ? document.data : { sections: [] }) as Sections;
  const checks = sections.flatMap((section) => section.checks);
  const bad = checks.filter(({ level }) => level !== 'ok').map(({ level, name }) => `${level} ${name}`);
  return { ...answer, sections, checks, bad, result: resultOf(answer) };
}

describe('doctor on a site where everything is in place', () => {
  test('doctor says ok to every check of a sound site, in one line each, and leaves every byte as it was', async () => {
    const before = contents(...everything());
    const { served } = await site.status('production');
    const { exitCode, stdout, stderr } = await site.run(['doctor', ...PRODUCTION]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.split('\n').filter((line) => /^ {2}ok {4}\S/.test(line)).length).toBeGreaterThan(20);
    expect(stdout).not.toMatch(/^ {2}(?:warn|FAIL)/m);
    expect(contents(...everything())).toEqual(before);
    expect((await site.status('production')).served).toEqual(served);
  });

  test('doctor gives every check as a line and all of them as a document', async () => {
    const { exitCode, json, checks, bad } = await examine();
    expect({ exitCode, bad }).toEqual({ exitCode: 0, bad: [] });
    expect(json.filter((line) => line.type === 'check')).toHaveLength(checks.length);
    const names = new Set(checks.map(({ name }) => name));
    for (const name of [
      'node',
      'environment',
      'config',
      'manifests',
      'state disk',
      'state keeps',
      'state found',
      'ledger',
      'leader',
      'hold',
    ])
      expect(names).toContain(name);
    for (const name of [
      'pointer',
      'pointer copy 1',
      'router',
      'target',
      'places',
      'steps',
      'build blue',
      'gate answers',
      'clock',
    ])
      expect(names).toContain(name);
  });

  test('doctor looks at every service of the config when none is named, and says what each lacks', async () => {
    const { exitCode, sections, result } = await examine([]);
    expect(exitCode).toBe(3);
    expect(result).toMatchObject({ code: 'DOCTOR_FAILED', traffic: null });
    expect(sections.map(({ scope }) => scope?.environment ?? 'machine')).toEqual([
      'machine',
      'staging',
      'production',
      'production',
    ]);
    const failed = sections.map(({ checks }) => checks.filter(({ level }) => level === 'FAIL').map(({ name }) => name));
    expect(failed).toEqual([[], ['pointer', 'router'], [], ['pointer', 'router']]);
  });
});

/** What is broken, how, and every check that must not be ok then; the last says how it is mended, where the site does not do that. */
type Breakage = readonly [
  what: string,
  breakIt: () => void | Promise<void>,
  expected: readonly string[],
  mend?: () => void | Promise<void>,
];

const BROKEN: readonly Breakage[] = [
  [
    'a router that is gone',
    () => site.stopServe('production'),
    ['warn pointer', 'warn pointer copy 1', 'FAIL router'],
    () => site.startServe('production'),
  ],
  [
    'another build at the place that serves',
    () => site.backend('production', 'blue').setGuid(GREEN.guid),
    ['FAIL drift', 'FAIL build blue'],
    () => site.backend('production', 'blue').setGuid(BLUE.guid),
  ],
  [
    'a staging build at a place that gets nothing',
    () => site.backend('production', 'green').setEnvironment('staging'),
    ['FAIL build green'],
    () => site.backend('production', 'green').setEnvironment('production'),
  ],
  [
    'a build that serves and is sick',
    () => site.backend('production', 'blue').setStatus(500),
    ['warn gate answers'],
    () => site.backend('production', 'blue').setStatus(200),
  ],
  [
    'a gate without data',
    () =>
      edit(
        join(site.checkout, 'kvdeploy.config.yaml'),
        /(production:\n {8}protected: true\n[\s\S]*?)source: http-probe, path: \/probe, probes: 5/,
        `$1source: prometheus, url: "http://127.0.0.1:1", requests: 'n{b="$\${build}"}', errors: 'e{b="$\${build}"}'`,
      ),
    ['FAIL gate answers'],
  ],
  ['a damaged pointer', () => edit(join(pointerDir(), 'ptr.000000000001'), '"generation":1', '"generation":2'), ['FAIL pointer']],
  ['a copy that is gone', () => rmSync(join(site.folder, 'copy'), { recursive: true }), ['FAIL pointer copy 1']],
  ['a rescue program of another version', () => writeFileSync(join(pointerDir(), 'break-glass.mjs'), ''), ['warn pointer']],
  [
    'a place that the rollback path does not know',
    () =>
      edit(
        join(site.checkout, 'kvdeploy.config.yaml'),
        /(protected: true[\s\S]*?addresses: \{)/,
        '$1 teal: "http://127.0.0.1:1",',
      ),
    ['FAIL pointer', 'FAIL pointer copy 1', 'warn router', 'FAIL drift', 'warn build teal'],
  ],
  [
    'a ledger that was edited',
    () => edit(join(scopeDir(), 'ledger/0001.jsonl'), 'USER":"tess', 'USER":"mary'),
    ['FAIL ledger', 'warn pointer', 'warn pointer copy 1', 'warn gates'],
  ],
  ['a hold', () => writeFileSync(join(pointerDir(), 'hold'), ''), ['FAIL hold']],
  ['a config that cannot be read', () => writeFileSync(join(site.checkout, 'kvdeploy.config.yaml'), 'a: ['), ['FAIL config']],
  [
    'a foreign build in a manifest',
    () =>
      edit(join(site.checkout, 'releases/acme/production/kv-gateway.yaml'), GREEN.guid, '57a9e000-6666-4aaa-8bbb-000000000005'),
    ['FAIL manifests'],
  ],
  [
    'a step that the router cannot give',
    () => edit(join(site.checkout, 'kvdeploy.config.yaml'), /(protected: true[\s\S]*?)percent: 25,/, '$1percent: 0.001,'),
    ['FAIL steps'],
  ],
  [
    'a state that anyone can write',
    () => chmodSync(site.stateDir, 0o777),
    ['FAIL state folder', 'FAIL ledger', 'FAIL pointer', 'warn pointer copy 1', 'warn gates'],
  ],
  [
    'a state with a link in it',
    () => {
      rmSync(pointerDir(), { recursive: true });
      symlinkSync(site.home, pointerDir());
    },
    ['FAIL state folder', 'FAIL pointer'],
  ],
];

describe('doctor finds', () => {
  test.each(BROKEN.map((breakage) => [breakage[0], breakage] as const))(
    'doctor finds the fault: %s',
    async (_what, [, breakIt, expected, mend]) => {
      await site.restore('adopted');
      await breakIt();
      try {
        const { exitCode, bad, checks } = await examine(
          existsSync(site.stateDir) ? [...PRODUCTION, '--state-dir', site.stateDir] : PRODUCTION,
        );
        expect(bad).toEqual(expected);
        const isUrgent = expected.includes('FAIL drift') || expected.includes('FAIL hold');
        expect(exitCode).toBe(isUrgent ? 9 : expected.some((name) => name.startsWith('FAIL')) ? 3 : 0);
        for (const { level, fix } of checks) expect(fix === null).toBe(level === 'ok');
      } finally {
        chmodSync(site.stateDir, 0o700);
        await mend?.();
      }
    },
  );
});

describe('doctor', () => {
  beforeEach(() => site.restore('adopted'));

  test('doctor names what reaches into every Node program, and starts where nothing else does', async () => {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_OPTIONS: '--no-deprecation' };
    const { exitCode, bad } = await examine(PRODUCTION, { env });
    expect({ exitCode, bad }).toEqual({ exitCode: 3, bad: ['warn environment', 'FAIL environment'] });
    expect(await site.run(['status', ...PRODUCTION], { env })).toMatchObject({ exitCode: 2 });
  });

  test('doctor says that a state in memory is none', async () => {
    const inMemory = mkdtempSync('/dev/shm/kvdeploy-');
    try {
      const { bad } = await examine([...PRODUCTION, '--state-dir', inMemory]);
      expect(bad).toContain('FAIL state disk');
    } finally {
      rmSync(inMemory, { recursive: true });
    }
  });

  test('doctor reports what hangs, and is done within 15 s all the same', async () => {
    site.backend('production', 'blue').setDelayMs(60_000);
    const startedMs = performance.now();
    const { exitCode, bad } = await examine();
    site.backend('production', 'blue').setDelayMs(0);
    expect({ exitCode, bad }).toEqual({ exitCode: 9, bad: ['FAIL drift', 'FAIL build blue', 'warn gate answers'] });
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  });

  test('doctor finds that break-glass would not find a state that is noted nowhere', async () => {
    const { bad } = await examine(PRODUCTION, { env: { HOME: site.checkout } });
    expect(bad).toEqual(['warn state found']);
  });

  test('doctor sees a rollout that no one watches', async () => {
    const left = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--until', '25']);
    expect(left).toMatchObject({ exitCode: 0 });
    const { checks } = await examine();
    expect(checks.find(({ name }) => name === 'leader')).toMatchObject({
      level: 'warn',
      fix: expect.stringContaining('kvdeploy resume'),
    });
  });

  test('pointer verify --renew fixes a rescue program of another version, which is a warning without it', async () => {
    writeFileSync(join(pointerDir(), 'break-glass.mjs'), 'old\n');
    const verified = await site.run(['pointer', 'verify', ...PRODUCTION]);
    expect(verified).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('a different version') });
    expect((await examine()).bad).toEqual(['warn pointer']);
    expect(await site.run(['pointer', 'verify', '--renew', ...PRODUCTION])).toMatchObject({ exitCode: 0 });
    expect((await examine()).bad).toEqual([]);
  });
});

describe('doctor --break-glass', () => {
  beforeEach(() => site.restore('adopted'));
  const rehearse = () => examine([...PRODUCTION, '--break-glass']);
  const program = () => join(pointerDir(), 'break-glass.mjs');

  test('doctor --break-glass rehearses with an empty environment and without a network, and touches nothing', async () => {
    const before = fingerprint(...everything());
    const { exitCode, checks, bad } = await rehearse();
    expect({ exitCode, bad }).toEqual({ exitCode: 0, bad: [] });
    expect(fingerprint(...everything())).toEqual(before);
    const found = (name: string) => checks.find((check) => check.name === name)?.found;
    expect(found('rescue')).toMatch(new RegExp(`back to ${BLUE.guid}.*ready for the first change \\d+ ms`));
    expect(found('no network')).toBe('without any network, it makes the same decision');
    expect(found('read back')).toContain('REHEARSED, nothing was written');
    // Once from the state, once from the copy.
    const twice = Array(2).fill(['rescue', 'no network', 'read back', 'circularity', 'secrets']).flat();
    expect(checks.map(({ name }) => name)).toEqual([...twice, 'router', 'steps']);
  });

  test('doctor --break-glass needs no config, and says what cannot be read back when the router is gone', async () => {
    await site.stopServe('production');
    writeFileSync(join(site.checkout, 'kvdeploy.config.yaml'), 'a: [');
    const args = [...PRODUCTION, '--service', 'kv-gateway', '--break-glass', '--state-dir', site.stateDir];
    const { exitCode, bad } = await examine(args);
    site.writeConfig();
    await site.startServe('production');
    expect({ exitCode, bad: [...new Set(bad)] }).toEqual({ exitCode: 3, bad: ['FAIL read back', 'FAIL router'] });
  });

  test('doctor --break-glass says that the build to restore is gone, or that no pointer verifies', async () => {
    site.backend('production', 'blue').setGuid(GREEN.guid);
    const gone = await rehearse();
    site.backend('production', 'blue').setGuid(BLUE.guid);
    expect(gone.checks.find(({ level }) => level === 'FAIL')).toMatchObject({
      name: 'read back',
      found: expect.stringMatching(/^BUILD_GONE/),
    });
    for (const name of readdirSync(pointerDir())) if (name.startsWith('ptr.')) writeFileSync(join(pointerDir(), name), '');
    expect((await rehearse()).bad).toEqual(['FAIL rescue']);
  });

  test('the rescue program opens nothing for writing, makes no folder and ends no process, by the word of the kernel', async () => {
    const trace = join(site.folder, 'trace');
    const calls =
      'trace=openat,open,creat,mkdir,mkdirat,rename,renameat2,unlink,unlinkat,link,linkat,write,pwrite64,fchmod,ftruncate,kill';
    const answer = await site.shell(`strace -f -qq -y -o ${trace} -e ${calls} node ${program()} --rehearse --env production`);
    expect(answer.stdout).toContain('REHEARSED, nothing was written');
    const lines = readFileSync(trace, 'utf8').split('\n');
    const ours = lines.filter((line) => line.includes(site.folder) && !/O_RDONLY|write\(\d+<(?:socket|pipe|\/dev\/)/.test(line));
    expect(lines.some((line) => line.includes(site.folder))).toBe(true);
    expect(ours).toEqual([]);
    expect(lines.filter((line) => /\bkill\(/.test(line))).toEqual([]);
  });

  test('--rehearse excludes --confirm, and is no option of the ordinary rollback', async () => {
    const both = await site.shell(`node ${program()} --rehearse --env production --confirm production`);
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('Give only one') });
    expect(await site.run(['rollback', ...PRODUCTION, '--rehearse', ...SURE])).toMatchObject({ exitCode: 2 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a rescue after a rehearsal still asks for its reason and its confirmation', async () => {
    expect(await site.shell(`node ${program()} --env production --confirm production`)).toMatchObject({ exitCode: 2 });
    expect(await site.shell(`node ${program()} --env production --reason 'login is down'`)).toMatchObject({ exitCode: 2 });
  });
});

describe('a rollback path that runs through the service itself', () => {
  const request = (url: string, bearerSecret?: string) =>
    ({
      kind: 'request',
      method: 'PUT',
      url,
      expect: [200],
      timeoutMs: 1,
      ...(bearerSecret === undefined ? {} : { bearerSecret }),
    }) as const;
  const socket = (address: string) => ({ kind: 'socket', address, commands: [], timeoutMs: 1 }) as const;

  test.each([
    ['http://127.0.0.1:8080/api', '127.0.0.1:8080'],
    ['http://localhost:8080/api', '0.0.0.0:8080'],
    ['http://[::1]:8080/', 'http://127.0.0.1:8080'],
    ['https://edge.example.com/', 'https://edge.example.com:443'],
  ])('a rollback path that runs through the service is found: %s is behind %s', (url, own) => {
    expect(circularChanges([request(url)], [own])).toEqual([url]);
  });

  test('a circular rollback path is found over sockets too, and not at another port, another host or a local path', () => {
    expect(circularChanges([socket('10.0.0.1:9999')], ['http://10.0.0.1:9999'])).toEqual(['10.0.0.1:9999']);
    const changes = [socket('/run/haproxy.sock'), socket('10.0.0.1:9998'), request('http://10.0.0.2:9999/')];
    expect(circularChanges(changes, ['http://10.0.0.1:9999', '/run/haproxy.sock'])).toEqual([]);
  });

  test('the secrets of a rollback path are known by name', () => {
    expect(secretsOf([request('http://a/', 'TOKEN'), request('http://b/', 'TOKEN'), socket('/x')])).toEqual(['TOKEN']);
  });
});

describe('the clock', () => {
  const at = Date.parse('2026-11-21T12:00:00Z');
  const reading = readingOf([{ place: 'blue', percent: 100, address: 'http://b' }]);
  const target = {
    identityQuestions: () => [{ at: 'b', isDown: false, asked: { kind: 'http', url: 'http://b/healthz', timeoutMs: 2000 } }],
  } as unknown as Target;
  const judge = async (date: string | undefined) => {
    const answer = { status: 200, headers: date === undefined ? {} : { date }, body: '' };
    const io = { now: () => at, http: async () => answer };
    return (await clockCheck({ target, reading }, { io } as unknown as Deps))[0];
  };

  test.each([
    ['Sat, 21 Nov 2026 12:00:04 GMT', 'ok'],
    ['Sat, 21 Nov 2026 11:59:55 GMT', 'ok'],
    ['Sat, 21 Nov 2026 12:00:06 GMT', 'warn'],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 'warn'],
    ['yesterday', 'warn'],
    [undefined, 'warn'],
  ])('a clock 12:00:00 compared with the answer %s is %s', async (date, level) => {
    expect(await judge(date)).toMatchObject({ level });
  });
});
