/** A ledger whose end was cut off or changed: status must not call it well. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const file = () => join(site.stateDir, 'acme/production/kv-gateway/ledger/0001.jsonl');
const status = async () => resultOf(await site.run(['status', ...PRODUCTION, '--json']));

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('adopted'));

test('status of a whole ledger exits 0', async () => {
  expect(await status()).toMatchObject({ exitCode: 0 });
});

test.each([1, 20, 100])('status does not exit 0 where %i bytes of the last line are missing', async (missing) => {
  const bytes = readFileSync(file());
  writeFileSync(file(), bytes.subarray(0, bytes.length - missing));
  const result = await status();
  expect(result).toMatchObject({ exitCode: 9, code: 'NEEDS_ATTENTION' });
  expect(result.message).toMatch(/the last line of the ledger is cut off after \d+ bytes/i);
});

test('status does not exit 0 where whole lines are missing that the pointer knows', async () => {
  const lines = readFileSync(file(), 'utf8').split('\n');
  const planned = lines.findIndex((line) => line.includes('"type":"planned"'));
  writeFileSync(file(), `${lines.slice(0, planned + 1).join('\n')}\n`);
  expect((await status()).message).toMatch(/the end of the ledger is cut off: pointer generation 1/i);
});

test.each([1, 4, 32])('status calls a ledger damaged in whose last line a bit %i is flipped', async (bit) => {
  const bytes = readFileSync(file());
  const at = bytes.length - 60;
  bytes[at] = (bytes[at] ?? 0) ^ bit;
  writeFileSync(file(), bytes);
  expect(await status()).toMatchObject({ exitCode: 5, code: 'LEDGER_DAMAGED' });
});
