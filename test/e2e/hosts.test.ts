/** Three hosts with a router each, in namespaces of their own, driven from one over SSH: good, bad, one cut off, and a rescue. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayHaveHosts } from '../servers/hosts.ts';
import { allowance, type Kind, SCOPE } from './hosts-files.ts';
import { type HostsSite, openHostsSite } from './hosts-scene.ts';
import { BUILDS, SURE } from './nginx-scene.ts';

const LIMIT = { timeout: 90_000 };

const { blue, green } = BUILDS;

const { version: VERSION } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};

const PROMOTE = ['promote', '--build', green.guid, ...SURE];

const may = mayHaveHosts();

describe.each<Kind>(['nginx', 'haproxy'])('three hosts with %s', (kind) => {
  let site: HostsSite;
  let clients: { end(): Promise<void> };
  beforeAll(async () => {
    if (!may) return;
    site = await openHostsSite(kind);
    clients = site.clients(30);
  }, 60_000);
  afterAll(async () => {
    site?.n3.join();
    await clients?.end();
    await site?.close();
  });

  const ran = async (args: readonly string[], code = 0) => {
    const { exitCode, stdout, stderr } = await site.run(args);
    expect(exitCode, `${stdout}\n${stderr}`).toBe(code);
    return stdout + stderr;
  };
  const served = () => Promise.all([site.n1, site.n2, site.n3].map((host) => site.servedBy(host)));

  it('a build on three hosts is adopted from one of them', LIMIT, async () => {
    if (!may) return;
    await ran(['adopt', ...SURE]);
    expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
  });

  it(
    'doctor says of each host whether it is reached, what runs there and what it does not allow, which also refuses a promotion',
    LIMIT,
    async () => {
      if (!may) return;
      const all = await site.run(['doctor', '--env', 'production']);
      for (const name of ['n2', 'n3'])
        expect(all.stdout).toMatch(new RegExp(`ok +host ${name} +reached as root@.*break-glass.mjs .*allows`));
      const program = join(site.n3.folder, 'break-glass.mjs');
      const text = readFileSync(program, 'utf8');
      writeFileSync(program, text.replaceAll(VERSION, '0.0.9'));
      const { files = [], programs = [], ...rest } = allowance(kind);
      site.n2.allow({
        targets: { [SCOPE]: { ...rest, files: files.filter((file) => file !== '/mnt/state'), programs: programs.slice(0, 2) } },
      });
      const odd = await site.run(['doctor', '--env', 'production']);
      const refused = await site.run(['promote', '--build', green.guid, ...SURE]);
      writeFileSync(program, text);
      site.n2.allow({ targets: { [SCOPE]: allowance(kind) } });
      expect(odd.stdout).toMatch(
        /FAIL +host n2 .*does not allow acme\/production\/gw to touch .*add to \/etc\/kvdeploy\/machine.json there: "acme\/production\/gw"/,
      );
      expect([refused.exitCode, refused.stderr]).toEqual([3, expect.stringMatching(/TARGET_NOT_ALLOWED +n2: the machine file/)]);
      expect(odd.stdout).toMatch(new RegExp(`warn +host n3 .*break-glass.mjs 0.0.9 runs there, and this is ${VERSION}`));
    },
  );

  it('a bad build on three hosts is rolled back on all of them', LIMIT, async () => {
    if (!may) return;
    site.setBad('green', true);
    expect(await ran(PROMOTE, 4)).toContain('REVERTED');
    site.setBad('green', false);
    expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
    await ran(['builds', 'pardon', green.guid, ...SURE, '--reason', 'the fault was made up']);
  });

  it(
    'a host cut off in the middle of a shift is named: nothing is raised there, the others go back, and it ends with 9',
    LIMIT,
    async () => {
      if (!may) return;
      const { exitCode, stderr } = await site.cutInTheMiddle(() => site.start(PROMOTE));
      expect([exitCode, stderr]).toEqual([9, expect.stringMatching(/NEEDS_ATTENTION[\s\S]*n3/)]);
      expect(stderr).toContain('kvdeploy converge');
      expect(await Promise.all([site.n1, site.n2].map(site.servedBy))).toEqual([[blue.guid], [blue.guid]]);
      expect(await ran(['status', '--env', 'production'], 9)).toMatch(/n3/);
      site.n3.join();
      expect(await site.servedBy(site.n3)).toEqual([blue.guid]);
      expect(await ran(['converge', ...SURE])).toContain('Nothing has drifted');
    },
  );

  it('a good build is promoted on three hosts', LIMIT, async () => {
    if (!may) return;
    await ran(PROMOTE);
    expect(await served()).toEqual([[green.guid], [green.guid], [green.guid]]);
  });

  it('a rollback goes on where a host is cut off in its middle, ends with 9, and names the host', LIMIT, async () => {
    if (!may) return;
    const back = ['rollback', '--to', blue.guid, ...SURE, '--reason', 'it is slow'];
    const { exitCode, stderr } = await site.cutInTheMiddle(() => site.start(back));
    expect([exitCode, stderr]).toEqual([9, expect.stringMatching(/NEEDS_ATTENTION[\s\S]*n3/)]);
    expect(await Promise.all([site.n1, site.n2].map(site.servedBy))).toEqual([[blue.guid], [blue.guid]]);
    expect(await ran(['status', '--env', 'production'], 9)).toMatch(/n3/);
  });

  it('a host that is back with the build of before is put right by converge', LIMIT, async () => {
    if (!may) return;
    site.n3.join();
    expect(await served()).toEqual([[blue.guid], [blue.guid], [green.guid]]);
    expect(await ran(['status', '--env', 'production'], 9)).toContain('kvdeploy converge');
    await ran(['converge', ...SURE]);
    expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
    await ran(['status', '--env', 'production']);
  });

  it(
    'a rescue needs SSH and local disks alone; a host cut off in its middle is named, and reached by the next one',
    LIMIT,
    async () => {
      if (!may) return;
      await ran(['builds', 'pardon', green.guid, ...SURE, '--reason', 'the fault was made up']);
      await ran(PROMOTE);
      rmSync(join(site.n1.folder, 'checkout/kvdeploy.config.yaml'));
      const back = ['--to', blue.guid, ...SURE, '--reason', 'SSO is down, as a drill'];
      const { exitCode, stdout, stderr } = await site.cutInTheMiddle(() => site.rescue(back));
      expect([exitCode, stdout + stderr]).toEqual([5, expect.stringMatching(/STUCK[\s\S]*n3/)]);
      expect(await Promise.all([site.n1, site.n2].map(site.servedBy))).toEqual([[blue.guid], [blue.guid]]);
      site.n3.join();
      const again = await site.rescue(back).ended;
      expect(again.exitCode, again.stderr).toBe(0);
      expect(await served()).toEqual([[blue.guid], [blue.guid], [blue.guid]]);
    },
  );
});
