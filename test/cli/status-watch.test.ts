import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from './fingerprint.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite } from './local-site.ts';

let site: LocalSite;
const ESCAPE = '\u001b';
const WATCH = ['status', ...PRODUCTION, '--watch'];

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await site.run(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
});
afterAll(() => site.close());

const looked = (times: number) => new RegExp(`(?:[\\s\\S]*looked at){${times}}`);

describe('status --watch on a terminal', () => {
  test('status --watch repaints in place every second until Ctrl-C, which is no failure, and changes nothing', async () => {
    const before = fingerprint(site.stateDir, site.home, site.checkout, site.routes('production'));
    const { exitCode, screen } = await site.atTerminal(WATCH, { keys: [{ waitFor: looked(3), type: '\u0003' }] });
    expect(exitCode).toBe(0);
    expect(fingerprint(site.stateDir, site.home, site.checkout, site.routes('production'))).toEqual(before);
    // As many lines up as the block before had: the terminal never scrolls.
    const [first = '', ...others] = screen.split(new RegExp(`${ESCAPE}\\[(\\d+)A`));
    const heights = others.filter((_part, index) => index % 2 === 0).map(Number);
    expect(heights.length).toBeGreaterThanOrEqual(2);
    expect(new Set(heights)).toEqual(new Set([first.split('\n').length - 1]));
    expect(screen).toContain('looked at');
  });

  test('status --watch cuts its lines to a narrow terminal', async () => {
    const { exitCode, screen } = await site.atTerminal(WATCH, { columns: 40, keys: [{ waitFor: looked(2), type: '\u0003' }] });
    expect(exitCode).toBe(0);
    const plain = screen.split(ESCAPE).map((part) => part.replace(/^\[[0-9;]*[A-Za-z]/, ''));
    const lines = plain.join('').replaceAll('^C', '').split(/\r?\n/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
  });
});

describe('status --watch in a pipe', () => {
  test('status --watch in a pipe says one line for each change, without escape bytes, and ends with SIGINT as with 0', async () => {
    const running = site.start(WATCH);
    await running.waitFor(/known-good 0b9f1c2d/);
    const hold = join(site.stateDir, 'acme/production/kv-gateway/pointer/hold');
    writeFileSync(hold, '');
    await running.waitFor(/HOLD/);
    running.signal('SIGINT');
    const { exitCode, stdout, stderr } = await running.ended;
    await site.shell(`rm ${hold}`);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^\S+Z {2}acme\/production\/kv-gateway {2}traffic 0b9f1c2d 100 %/);
    expect(stdout).not.toContain(ESCAPE);
  });

  test('status --watch --json gives a document for each change and a result at the end', async () => {
    const running = site.start([...WATCH, '--json']);
    await running.waitFor(/"name":"status"/);
    const { exitCode: promoted } = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE]);
    expect(promoted).toBe(0);
    await running.waitFor(new RegExp(`"knownGood":\\{"guid":"${GREEN.guid}"`));
    running.signal('SIGTERM');
    const { exitCode, json } = await running.ended;
    expect(exitCode).toBe(0);
    const documents = json.flatMap((line) => (line.type === 'document' ? [JSON.stringify(line.data)] : []));
    expect(documents[0]).toContain(`"knownGood":{"guid":"${BLUE.guid}"`);
    for (const [index, document] of documents.entries()) expect(document).not.toBe(documents[index - 1]);
    expect(json.at(-1)).toMatchObject({ type: 'result', ok: true, traffic: { split: [{ build: GREEN.guid, percent: 100 }] } });
  });

  test('status --watch ends by itself once its reader is gone', async () => {
    const said = join(site.folder, 'said');
    const watching = site.shell(
      `{ kvdeploy ${WATCH.join(' ')}; echo "ended with $?" > ${said}.code; } | head -1 > ${said}; cat ${said}.code`,
    );
    const hold = join(site.stateDir, 'acme/production/kv-gateway/pointer/hold');
    await site.shell(`while [ ! -s ${said} ]; do sleep 0.05; done`);
    // Whoever is gone is noticed with the next line that is to be said.
    writeFileSync(hold, '');
    expect(await watching).toMatchObject({ exitCode: 0, stdout: 'ended with 0\n' });
  });
});
