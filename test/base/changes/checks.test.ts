/** Reading back: yes, no, and unknown, which is never a yes. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpCheck, RowGroup, TableCheck } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { freshFolder, GREEN, httpServer, lineServer } from '../../break-glass/scene.ts';

let folder: string;
beforeEach(() => {
  folder = freshFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('a file', () => {
  it('a file check wants exactly the content', async () => {
    const path = join(folder, 'routes');
    const asked = () => check({ kind: 'file', path, content: 'green\n' }, nodeOutside);
    expect(await asked()).toMatchObject({ ok: false });
    fs.writeFileSync(path, 'green\n');
    expect(await asked()).toEqual({ ok: true });
    fs.writeFileSync(path, 'green\n\n');
    expect(await asked()).toMatchObject({ ok: false });
    fs.rmSync(path);
    fs.mkdirSync(path);
    expect(await asked()).toMatchObject({ ok: false });
  });
});

describe('an answer', () => {
  const asked = (url: string, over: Partial<HttpCheck>) =>
    check({ kind: 'http', url, equals: GREEN, timeoutMs: 300, ...over }, nodeOutside);

  it('an answer says a GUID in a header or in JSON, in any spelling', async () => {
    const server = await httpServer(() => ({
      headers: { 'X-Build-Guid': GREEN.toUpperCase() },
      body: JSON.stringify({ build: { guid: `{${GREEN}}` } }),
    }));
    expect(await asked(server.url, { header: 'x-build-guid' })).toEqual({ ok: true });
    expect(await asked(server.url, { json: ['build', 'guid'] })).toEqual({ ok: true });
    await server.close();
  });

  it('an answer is a no when it says another GUID, and unknown when it says nothing, nonsense, or never comes', async () => {
    const server = await httpServer((path) =>
      path === '/silence' ? 'silence' : { headers: { 'x-build-guid': 'other' }, body: path === '/json' ? '{"a":1}' : '<html>' },
    );
    expect(await asked(`${server.url}/`, { header: 'x-build-guid' })).toEqual({
      ok: false,
      why: expect.stringContaining('returned other'),
    });
    for (const [path, over] of [
      ['/', { header: 'x-other' }],
      ['/', { json: ['a'] }],
      ['/json', { json: ['constructor', 'name'] }],
      ['/silence', { header: 'x' }],
    ] as const) {
      expect(await asked(`${server.url}${path}`, over)).toHaveProperty('unknown');
    }
    await server.close();
    expect(await asked(server.url, { header: 'x' })).toEqual({ unknown: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('a table', () => {
  const STATE = '1\n# be_id be_name srv_name srv_admin_state srv_uweight\n3 gw green 0 256\n3 gw blue 1 0\n4 other blue 0 100\n';
  const CSV = '# pxname,svname,weight,status,last_chk,\ngw,green,256,UP,"ok, ""really""",\ngw,blue,0,MAINT,,\n';
  const wanted = (over: Partial<TableCheck>): Omit<TableCheck, 'address'> => ({
    kind: 'table',
    command: 'show servers state',
    separator: ' ',
    where: { be_name: 'gw' },
    key: 'srv_name',
    rows: { green: { srv_admin_state: ['0'], srv_uweight: ['256'] } },
    others: [{ srv_admin_state: ['1', '5'] }, { srv_uweight: ['0'] }],
    timeoutMs: 500,
    ...over,
  });
  const asked = async (text: string, over: Partial<TableCheck> = {}) => {
    const server = await lineServer(0, () => text);
    const answer = await check({ ...wanted(over), address: server.address }, nodeOutside);
    await server.close();
    return answer;
  };

  it('a table is right when the named rows fit and every other row fits one of the others', async () => {
    expect(await asked(STATE)).toEqual({ ok: true });
    const csv = {
      separator: ',',
      where: { pxname: 'gw' },
      key: 'svname',
      rows: { green: { status: ['UP'], last_chk: ['ok, "really"'] } },
      others: [{ weight: ['0'] }],
    } as const;
    expect(await asked(CSV, csv)).toEqual({ ok: true });
  });

  it('a table check finds an unknown member that may still serve', async () => {
    expect(await asked(`${STATE}3 gw purple 0 100\n`)).toEqual({
      ok: false,
      why: expect.stringContaining('unknown member purple'),
    });
    expect(await asked(STATE, { others: [] })).toMatchObject({ ok: false });
  });

  it('a table check finds a named row that is wrong or missing', async () => {
    expect(await asked(STATE.replace('green 0 256', 'green 0 0'))).toEqual({
      ok: false,
      why: expect.stringContaining('green has srv_uweight 0'),
    });
    expect(await asked(STATE.replace('gw green', 'gw teal'))).toEqual({
      ok: false,
      why: expect.stringContaining('has no green'),
    });
  });

  const DOWN = { is: 'down', columns: { srv_uweight: ['256'], srv_op_state: ['0'] } };
  const serve = (over: Partial<RowGroup> = {}): Partial<TableCheck> => ({
    rows: {},
    groups: [
      { keys: ['g1', 'g2', 'g3'], columns: { srv_uweight: ['256'], srv_op_state: ['2'] }, idle: [DOWN], least: 1, ...over },
      { keys: ['blue', 'left'], columns: { srv_admin_state: ['1'] }, idle: [] },
    ],
    others: [],
  });
  const MEMBERS = '1\n# be_id be_name srv_name srv_admin_state srv_uweight srv_op_state\n';
  const rowsOf = (...rows: readonly string[]) => MEMBERS + rows.map((row) => `3 gw ${row}\n`).join('');

  it('a table names members that are down or gone, while another of their group serves', async () => {
    const out = new Map([
      ['g2', 'down'],
      ['g3', 'gone'],
    ]);
    expect(await asked(rowsOf('g1 0 256 2', 'g2 0 256 0', 'blue 1 0 0'), serve())).toEqual({
      ok: true,
      rows: { serving: ['g1'], out },
    });
  });

  it.each([
    ['none of its group serves', rowsOf('g1 0 256 0', 'g2 0 256 0', 'blue 1 0 0'), /0 of 3 members serve: g1 has srv_op_state 0/],
    ['fewer serve than must', rowsOf('g1 0 256 2', 'g2 0 256 0', 'blue 1 0 0'), /1 of 3 members serve/],
    ['one is up with another weight', rowsOf('g1 0 256 2', 'g2 0 1 2', 'g3 0 256 2', 'blue 1 0 0'), /g2 has srv_uweight 1/],
    ['one that is to get nothing serves', rowsOf('g1 0 256 2', 'g2 0 256 2', 'blue 0 256 2'), /blue has srv_admin_state 0/],
  ])('a table with members that may be down is still wrong where %s', async (_what, text, why) => {
    expect(await asked(text, serve({ least: 2 }))).toMatchObject({ ok: false, why: expect.stringMatching(why) });
  });

  it('a table check is unknown when the answer is no such table', async () => {
    expect(await asked('Permission denied\n')).toHaveProperty('unknown');
    expect(await asked('')).toHaveProperty('unknown');
    expect(await check({ ...wanted({}), address: join(folder, 'none') }, nodeOutside)).toHaveProperty('unknown');
  });
});
