/** The table of hazards as people and machines get it, and the promotions that it refuses or warns of. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Hazard } from '../../src/core/admission/hazard.ts';
import { GLOBEX, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliAnswer } from './run-cli.ts';

const plan = (...more: readonly string[]) => ['plan', ...PRODUCTION, '--build', GREEN.guid, ...more];
const promote = (...more: readonly string[]) => ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, ...more];

let site: LocalSite;
beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await site.run(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig();
  await site.restore('adopted');
});

/** Writes the config with one text exchanged for another, everywhere. */
function writeConfigWith(from: string, to: string): void {
  const file = join(site.checkout, 'kvdeploy.config.yaml');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replaceAll(from, to));
}

function hazardsIn(answer: CliAnswer): readonly Hazard[] {
  const document = answer.json.find((line) => line.type === 'document' && line.name === 'plan');
  return (document as { data: { hazards: readonly Hazard[] } } | undefined)?.data.hazards ?? [];
}

const tableIn = (stdout: string) =>
  stdout
    .slice(stdout.indexOf('\nhazards\n') + 1)
    .split('\n✔')[0]
    ?.split('\n') ?? [];

describe('plan', () => {
  test('plan prints every hazard with its controls, their levels and what was seen, in 100 columns without escapes', async () => {
    const { stdout, exitCode } = await site.run(plan());
    expect(exitCode).toBe(0);
    const table = tableIn(stdout);
    expect(table.length).toBeGreaterThan(40);
    expect(table.filter((line) => [...line].length > 100)).toEqual([]);
    expect(stdout).not.toContain('\u001b');
    expect(table.filter((line) => / $/.test(line))).toEqual([]);
    // Aligned: where a level stands, it stands in its column.
    const levels = table.filter((line) => /\b(?:engineering|elimination) {2}/.test(line));
    expect(new Set(levels.map((line) => line.search(/\b(?:engineering|elimination) {2}/))).size).toBe(1);
    expect(table.join('\n')).toMatch(/ {2}NOT VERIFIED: no copy is$/m);
    expect(stdout).not.toMatch(/NOT CONTROLLED|NO: /);
  });

  test('plan gives the same hazards as data', async () => {
    const answer = await site.run(plan('--json'));
    const hazards = hazardsIn(answer);
    expect(hazards.length).toBeGreaterThan(15);
    expect(hazards.every(({ controlled }) => controlled)).toBe(true);
    const state = hazards.find(({ id }) => id === 'no-known-good');
    expect(state).toMatchObject({
      controls: [{ level: 'engineering', status: 'verified', detail: '0b9f1c2d at blue, generation 1' }],
    });
    const disk = hazards.find(({ id }) => id === 'disk');
    expect(disk?.controls.map(({ status }) => status)).toContain('not-verified');
  });

  test('plan shows also for a refused build which hazard its check stands against', async () => {
    const answer = await site.run(['plan', ...PRODUCTION, '--build', GLOBEX.green.guid, '--json']);
    expect(resultOf(answer)).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
    expect(hazardsIn(answer).find(({ id }) => id === 'foreign-build')).toMatchObject({
      controlled: false,
      controls: [
        { status: 'absent', detail: expect.stringContaining('is in a manifest of globex') },
        { status: 'absent', detail: expect.stringContaining('belongs to') },
      ],
    });
  });

  test('plan does not say that it can begin while a rescue waits for its review', async () => {
    const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'a rehearsal for the tests'];
    expect(await site.run(rescue)).toMatchObject({ exitCode: 0 });
    expect(resultOf(await site.run(plan('--json')))).toMatchObject({ code: 'HELD', exitCode: 6 });
  });
});

describe('a hazard that nothing controls', () => {
  beforeEach(() => writeConfigWith('minRequests: 5 }', 'minRequests: 100000 }'));

  test('a hazard that nothing controls refuses the plan, and is marked in the table', async () => {
    const { exitCode, stdout, stderr } = await site.run(plan());
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(
      /HAZARD_UNCONTROLLED {2}1 hazard has no control .*: The gates cannot fail in time \(gate answers sees/,
    );
    expect(stderr).toMatch(/try {6}Lower minRequests/);
    const table = tableIn(stdout).join('\n');
    expect(table.match(/CONTROLLED/g)).toHaveLength(1);
    expect(table).toMatch(/NO: gate answers/);
  });

  test('a hazard that nothing controls refuses the promotion, before anything is changed', async () => {
    const answer = await site.run(promote('--json'));
    expect(resultOf(answer)).toMatchObject({ code: 'HAZARD_UNCONTROLLED', exitCode: 3 });
    expect(answer.json.filter(({ type }) => type === 'started')).toEqual([]);
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});

describe('promote', () => {
  test('promote warns of what was not verified, and of nothing else', async () => {
    const answer = await site.run(promote('--json'));
    expect(resultOf(answer)).toMatchObject({ ok: true });
    const warned = answer.json.flatMap((line) => (line.type === 'check' && line.name.startsWith('hazard: ') ? [line] : []));
    expect(warned).toEqual([
      {
        type: 'check',
        name: 'hazard: The rollback path depends on what is being changed',
        ok: null,
        message: expect.stringContaining('no copy is configured'),
      },
    ]);
  });

  test('promote says beforehand that no one could answer, and keeps the code of the prompt', async () => {
    const answer = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, '--json']);
    expect(resultOf(answer)).toMatchObject({ code: 'NO_TERMINAL', exitCode: 2 });
    expect(answer.stdout).toContain('no terminal here, and no --confirm production');
  });

  test('a promotion that a check refuses keeps the code of that check', async () => {
    site.backend('production', 'green').setGuid(GLOBEX.green.guid);
    const refused = resultOf(await site.run(promote('--json')));
    site.backend('production', 'green').setGuid(GREEN.guid);
    expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  });
});
