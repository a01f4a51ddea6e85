/** Break-glass on real HAProxy while members are dead, foreign, silent, gone or renamed: what serves is verified, what does not is named. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openReplicas, type ReplicaSite } from './replicas-scene.ts';
import { PRODUCTION } from './site.ts';

const LIMIT = { timeout: 90_000 };
const RESCUE = `rollback --break-glass --reason sign-in-is-down ${PRODUCTION}`;
const FOREIGN = '57a9e000-0000-4000-8000-000000000002';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function replicas(sockets: 1 | 2, options: Parameters<typeof openReplicas>[1] = {}): Promise<ReplicaSite> {
  const site = await openReplicas(sockets, options);
  open.push(() => site.closeAll());
  return site;
}

/** Leaves all traffic on green, with blue in maintenance: only the rescue brings its members back into rotation. */
async function promoteGreen(site: ReplicaSite): Promise<string> {
  expect((await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
  return `${RESCUE} --to ${site.builds.blue.guid}`;
}

/** HAProxy is started with a changed configuration, as after an edit and a reload. */
async function edit(site: ReplicaSite, change: (text: string) => string): Promise<void> {
  for (const [at, socket] of site.haproxy.sockets.entries()) {
    const file = join(dirname(socket), `haproxy-${at}.cfg`);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
  }
  await site.haproxy.reload();
}

/** The servers of blue under names that no pointer knows, in maintenance. */
const renamed = (text: string) => text.replace(/server blue-(.*)$/gm, 'server blau-$1 disabled');

function outcomesOf(site: ReplicaSite): readonly { readonly result: string; readonly notes: readonly string[] }[] {
  const lines = readFileSync(join(site.scopeDir, 'pointer/break-glass.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'outcome');
}

describe.each([1, 2] as const)('break-glass to a place with a dead member, behind %i HAProxy', (sockets) => {
  it('a rescue is done and verified where one member is dead, and names it', LIMIT, async () => {
    const site = await replicas(sockets);
    await site.replica('blue', 3).close();
    for (let at = 0; at < sockets; at += 1)
      await expect.poll(() => site.haproxy.command('show servers state gw', at), { timeout: 20_000 }).toMatch(/ blue-3 \S+ 0 /);
    // The rehearsal agrees: this path works, with one member less.
    const doctor = await site.run('doctor --env production --break-glass');
    expect(doctor.stdout).toMatch(/ok +read back .*REHEARSED.*OUT OF SERVICE: blue-3 is down/);
    const rescue = await promoteGreen(site);
    const rescued = await site.run(rescue);
    const named = site.haproxy.sockets.map((socket) => `blue-3 is down at ${socket}`);
    expect(rescued.result, rescued.stderr).toMatchObject({ ok: true, code: null, exitCode: 0 });
    expect(rescued.result.message).toContain(
      `${2 * sockets} of ${3 * sockets} members serve; OUT OF SERVICE: ${named.join(', ')}`,
    );
    for (const line of named) expect(rescued.stderr).toContain(`! OUT OF SERVICE: ${line}`);
    for (let at = 0; at < sockets; at += 1) expect(await site.shares(at)).toEqual({ blue: 100 });
    expect(outcomesOf(site)).toEqual([expect.objectContaining({ result: 'verified', notes: named })]);
  });
});

it('a foreign member refuses a rescue and says what to do; once it is stopped, the same command is verified', LIMIT, async () => {
  const site = await replicas(1);
  const rescue = await promoteGreen(site);
  site.replica('blue', 2).setGuid(FOREIGN);
  const refused = await site.run(rescue);
  expect(refused.result).toMatchObject({
    code: 'BUILD_GONE',
    exitCode: 3,
    hint: expect.stringContaining('2 of 3 members run it. Stop what'),
  });
  expect(await site.shares()).toEqual({ green: 100 });
  await site.replica('blue', 2).close();
  const rescued = await site.run(rescue);
  expect(rescued.result, rescued.stderr).toMatchObject({ exitCode: 0, message: expect.stringContaining('blue-2 is down') });
  expect(await site.shares()).toEqual({ blue: 100 });
});

it('a member that does not say which build it is, and still gets traffic, is not verified', LIMIT, async () => {
  // Without a health check HAProxy goes on sending requests to a dead server.
  const site = await replicas(1);
  await edit(site, (text) => text.replace(/(server blue-3 \S+) check/, '$1'));
  await site.haproxy.command('set server gw/blue-3 state ready');
  const rescue = await promoteGreen(site);
  await site.replica('blue', 3).close();
  const rescued = await site.run(rescue);
  expect(rescued.result, rescued.stderr).toMatchObject({
    code: 'NOT_VERIFIED',
    exitCode: 5,
    message: expect.stringContaining('blue-3'),
  });
  expect(await site.shares()).toEqual({ blue: 100 });
  expect(outcomesOf(site)).toEqual([expect.objectContaining({ result: 'not-verified' })]);
});

it('members that are gone from haproxy.cfg get nothing: the rescue is done, and names those of its place', LIMIT, async () => {
  const site = await replicas(1);
  const rescue = await promoteGreen(site);
  await edit(site, (text) => text.replace(/^ +server (?:blue-1|amber-\d) .*\n/gm, ''));
  const rescued = await site.run(rescue);
  expect(rescued.result, rescued.stderr).toMatchObject({ exitCode: 0, message: expect.stringContaining('blue-1 is gone at') });
  expect(await site.shares()).toEqual({ blue: 100 });
});

it('a renamed member, and one that came later, may still serve: not verified, and named', LIMIT, async () => {
  const site = await replicas(1);
  const rescue = await promoteGreen(site);
  await edit(site, (text) => text.replace('server blue-3 ', 'server blue-9 '));
  const rescued = await site.run(rescue);
  expect(rescued.result, rescued.stderr).toMatchObject({ code: 'STUCK', exitCode: 5 });
  expect(rescued.result.message).toContain('the unknown member blue-9 may still serve');
});

it('a rescue to a place that no HAProxy has any more changes nothing, since no server would be left', LIMIT, async () => {
  const site = await replicas(1);
  const rescue = await promoteGreen(site);
  await edit(site, (text) => renamed(text));
  const refused = await site.run(rescue);
  expect(refused.result, refused.stderr).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  expect(refused.result.message).toContain('no server of its place blue is at');
  expect(await site.shares()).toEqual({ green: 100 });
});

it('a location of two without any server of the place is left as it is, and the other is restored', LIMIT, async () => {
  const site = await replicas(2);
  const rescue = await promoteGreen(site);
  await edit(site, (text) => (text.includes('admin-1.sock') ? renamed(text) : text));
  const rescued = await site.run(rescue);
  expect(rescued.result, rescued.stderr).toMatchObject({ code: 'NOT_VERIFIED', exitCode: 5 });
  expect(rescued.stderr).toContain(`LEFT AS IT IS: ${site.haproxy.sockets[1]} has no server of blue`);
  expect([await site.shares(0), await site.shares(1)]).toEqual([{ blue: 100 }, { green: 100 }]);
});

it('a rescue with one HAProxy of two dead says what is restored at the other, and calls nothing verified', LIMIT, async () => {
  const site = await replicas(2);
  const rescue = await promoteGreen(site);
  await site.haproxy.kill(1);
  const rescued = await site.run(rescue);
  expect(rescued.result).toMatchObject({ code: 'STUCK', exitCode: 5, ok: false });
  const [first = ''] = site.haproxy.sockets;
  expect(rescued.stderr).toContain(`traffic  ${site.builds.blue.guid} 100 % at ${first}; elsewhere unknown`);
  expect(await site.shares(0)).toEqual({ blue: 100 });
});
