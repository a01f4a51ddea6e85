/** HAProxy as people set it up: what cannot work is named with its cure before anything moves, and what is beside the point stays out of the way. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startProgram, until } from '../servers/program.ts';
import { documentOf, openSite, PRODUCTION, type Site, type SiteOptions, startBuilds } from './site.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function siteWith(options: SiteOptions): Promise<Site> {
  const site = await openSite(options);
  open.push(() => site.close());
  return site;
}

const withLevel = (level: string): SiteOptions => ({
  proxy: { globalLines: [`stats socket unix@other.sock level ${level}`] },
  configSockets: ([socket = '']) => [join(dirname(socket), 'other.sock')],
});

/** How each is set up after it was adopted in good order, the code of the refusal, what it names, and its cure. */
const BAD: readonly (readonly [what: string, SiteOptions, code: string, says: RegExp, cure: RegExp])[] = [
  [
    'a socket of level operator',
    withLevel('operator'),
    'SPLIT_IMPOSSIBLE',
    /level operator/,
    /`stats socket \S+other.sock mode 660 level admin`/,
  ],
  [
    'a socket of level user',
    withLevel('user'),
    'SPLIT_IMPOSSIBLE',
    /level user/,
    /`stats socket \S+other.sock mode 660 level admin`/,
  ],
  [
    'a state file that is a folder',
    { configStateFiles: ([file = '']) => [dirname(file)] },
    'SPLIT_IMPOSSIBLE',
    /is a folder/,
    /serverStateFile: \S+\/state, with `server-state-file/,
  ],
];

describe('a HAProxy that cannot be used as it is set up', () => {
  it.each(BAD)('%s is refused with its cure by adopt, plan, promote and the rehearsal', { timeout: 60_000 }, async (...bad) => {
    const [, options, code, says, cure] = bad;
    const site = await siteWith({ ...options, adopted: false });
    const refused = { exitCode: 3, code, message: expect.stringMatching(says), hint: expect.stringMatching(cure) };
    expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject(refused);
    site.writeConfig({ configSockets: (own) => own, configStateFiles: (own) => own });
    expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject({ ok: true });
    site.writeConfig();
    const { guid } = site.builds.green;
    expect((await site.run(`plan --env production --build ${guid} --json`)).result).toMatchObject(refused);
    expect((await site.run(`promote --build ${guid} ${PRODUCTION}`)).result).toMatchObject(refused);
    expect((await site.run('places --idle --env production --json')).result).toMatchObject(refused);
    const rehearsed = await site.run('doctor --env production --break-glass --json');
    expect(rehearsed.exitCode).toBe(3);
    expect(rehearsed.stdout).toMatch(cure);
    expect(await site.split()).toEqual({ blue: 100 });
  });

  it('a backup server is refused by adopt, with the word to remove', async () => {
    const site = await siteWith({ adopted: false, backendLines: ['server spare 127.0.0.1:1 check backup'] });
    const { result } = await site.run(`adopt ${PRODUCTION}`);
    expect(result).toMatchObject({ code: 'SPLIT_IMPOSSIBLE', message: expect.stringContaining('spare is a backup server') });
    expect(result.hint).toMatch(/Remove the word `backup` from the line `server spare …`/);
  });

  it("HAProxy's master socket is named as one, with the socket to use instead", async () => {
    const site = await siteWith({ adopted: false });
    const folder = dirname(site.haproxy.sockets[0] ?? '');
    const master = join(folder, 'master.sock');
    const program = await startProgram('haproxy', ['-W', '-S', master, '-f', join(folder, 'haproxy-0.cfg')], folder);
    open.push(async () => void (await program.signal('SIGTERM')));
    await until('the master socket', async () => existsSync(master) || undefined);
    site.writeConfig({ configSockets: () => [master] });
    const { result } = await site.run(`adopt ${PRODUCTION}`);
    expect(result).toMatchObject({
      code: 'UNREACHABLE',
      exitCode: 7,
      message: expect.stringContaining('it is the master socket'),
    });
    expect(result.hint).toContain('stats socket /run/haproxy/admin.sock mode 660 level admin');
  });
});

describe('a HAProxy whose haproxy.cfg says something else', () => {
  it('a server that was added at run time is refused, because a reload removes it', { timeout: 60_000 }, async () => {
    const site = await siteWith({});
    expect(await site.haproxy.command(`add server gw/violet 127.0.0.1:${site.builds.amber.backend.port}`)).toContain(
      'registered',
    );
    const refused = {
      exitCode: 3,
      code: 'HAZARD_UNCONTROLLED',
      message: expect.stringMatching(/violet was added at run time .* no line of backend gw in \S+haproxy-0\.cfg/),
      hint: expect.stringContaining('Write `server violet'),
    };
    const { guid } = site.builds.green;
    expect((await site.run(`plan --env production --build ${guid} --json`)).result).toMatchObject(refused);
    expect((await site.run(`promote --build ${guid} ${PRODUCTION}`)).result).toMatchObject(refused);
    const doctor = await site.run('doctor --env production --json');
    expect(doctor.stdout).toMatch(/violet was added at run time/);
    // An emergency is none of this check's business.
    const rescue = `rollback --break-glass --reason sign-in-is-down ${PRODUCTION}`;
    expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
  });

  it('adopt refuses where a server was added at run time', { timeout: 60_000 }, async () => {
    const site = await siteWith({ adopted: false });
    await site.haproxy.command('add server gw/violet 127.0.0.1:1');
    expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject({ code: 'HAZARD_UNCONTROLLED', exitCode: 3 });
  });

  it('the same servers in a second backend are named by adopt, plan and doctor', { timeout: 60_000 }, async () => {
    const builds = await startBuilds();
    const again = [`  server again 127.0.0.1:${builds.green.backend.port}`];
    const site = await siteWith({ builds, adopted: false, proxy: { sections: ['backend second', ...again] } });
    const named = /backend second sends to green too \(server again \S+\).*use backend gw for both \(use_backend gw\)/;
    const adopted = await site.run(`adopt ${PRODUCTION}`);
    expect(adopted.result).toMatchObject({ ok: true });
    expect(adopted.stdout).toMatch(named);
    expect((await site.run(`plan --env production --build ${builds.green.guid} --json`)).stdout).toMatch(named);
    expect((await site.run('doctor --env production --json')).stdout).toMatch(named);
  });

  it('two servers that run one build are no split, and adopt says so', { timeout: 60_000 }, async () => {
    const builds = await startBuilds();
    const twin = `server blue2 127.0.0.1:${builds.blue.backend.port} weight 100`;
    const site = await siteWith({ builds, adopted: false, backendLines: [twin] });
    const { result } = await site.run(`adopt ${PRODUCTION}`);
    expect(result).toMatchObject({
      code: 'UNEXPECTED_SPLIT',
      hint: expect.stringMatching(
        /All of them run build 1{8}.*places: { amber: \[amber\], blue: \[blue, blue2\], green: \[green\] }/,
      ),
    });
  });
});

const RESOLVERS = ['resolvers nowhere', '  nameserver none 127.0.0.1:1'];
const SPARE_SLOTS = 'server-template autoscale-pool-eu-west-1- 400 nothere.test:8080 check resolvers nowhere init-addr none';

describe('a HAProxy with more in it than kvdeploy needs', () => {
  it('hundreds of spare slots stay out of pointer and doctor, and nothing is stuck', { timeout: 60_000 }, async () => {
    const site = await siteWith({
      backendLines: [SPARE_SLOTS, 'server parked 0.0.0.0:80 disabled'],
      proxy: { sections: RESOLVERS },
    });
    expect((await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
    const doctor = await site.run('doctor --env production --json');
    expect(doctor.stdout).not.toMatch(/autoscale|parked/);
    expect((await site.run('pointer show --env production --json')).stdout).not.toMatch(/autoscale|parked/);
    const rescue = `rollback --break-glass --reason sign-in-is-down --to ${site.builds.blue.guid} ${PRODUCTION}`;
    expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
    expect(await site.split()).toEqual({ blue: 100 });
  });

  it('servers in maintenance that nothing names are one line of doctor and places, and are not asked', {
    timeout: 60_000,
  }, async () => {
    const parked = Array.from({ length: 30 }, (_, at) => `server parked-${at} 127.0.0.1:1 disabled`);
    const site = await siteWith({ backendLines: parked });
    const doctor = await site.run('doctor --env production --json');
    expect(doctor.stdout).toContain('30 spare or parked servers left out');
    expect(doctor.stdout).not.toContain('build parked-');
    expect((await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
    expect((await site.run('pointer show --env production --json')).stdout).not.toContain('parked-');
    const places = await site.run('places --env production --json');
    expect(documentOf<{ leftOut: number; places: { place: string }[] }>(places)).toMatchObject({
      leftOut: 30,
      places: [{ place: 'amber' }, { place: 'blue' }, { place: 'green' }],
    });
  });

  it('a pointer that would be too large refuses adoption before the bake', { timeout: 120_000 }, async () => {
    const servers = Array.from(
      { length: 4200 },
      (_, at) => `server autoscale-pool-eu-west-1-${at} 127.0.0.1:${2000 + at} weight 0`,
    );
    const site = await siteWith({ adopted: false, backendLines: servers });
    const { result } = await site.run(`adopt ${PRODUCTION}`);
    expect(result).toMatchObject({ code: 'POINTER_TOO_LARGE', exitCode: 3, message: expect.stringContaining('4203 members') });
  });

  it('thousands of servers elsewhere, and a frontend of the same name, do not matter', { timeout: 60_000 }, async () => {
    const name = 'elsewhere-with-a-name-that-takes-room-in-every-answer';
    const others = Array.from({ length: 4000 }, (_, at) => `  server ${name}-${at} 127.0.0.1:1 disabled`);
    const site = await siteWith({ proxy: { frontend: 'gw', sections: ['backend elsewhere', ...others] } });
    expect((await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
    expect(await site.split()).toEqual({ green: 100 });
  });

  it('a server whose name was set at run time is still checked by break-glass', { timeout: 60_000 }, async () => {
    const site = await siteWith({
      backendLines: ['default-server resolvers nowhere init-addr last,none'],
      proxy: { sections: RESOLVERS },
    });
    for (const words of ['fqdn app.test', 'state ready', 'state maint'])
      expect(await site.haproxy.command(`set server gw/green ${words}`)).not.toMatch(/denied|Unknown|could not/);
    expect(await site.haproxy.command('show servers state gw')).toMatch(/ green \S+ \d (?:6[5-9]|7\d) /);
    const rescue = `rollback --break-glass --reason sign-in-is-down ${PRODUCTION}`;
    expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
  });
});
