/** Both incidents, replayed by the built program as a user would. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { incident } from '../../src/scenarios/replay.ts';
import { recordReliability } from '../reliability.ts';
import { leftRunning, obligingProgram, PROGRAM, play } from './played.ts';

/** How long a replay may be silent: a log that stands still is taken for a hang. */
const SILENCE_MS = 20_000;

describe('a replay', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-replay-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('a replay of 2023-10-30 tells every minute, ends every row as expected, and leaves nothing', {
    timeout: 90_000,
  }, async () => {
    const startedAt = performance.now();
    const { exitCode, output, longestSilenceMs } = await play(['replay', '2023-10-30'], folder);
    record('2023-10-30', 9 + 15, startedAt, exitCode);
    expect(exitCode, output).toBe(0);
    for (const { name } of incident('2023-10-30').rows) expect(output).toContain(name);
    expect(output).toMatch(/ 0 differently, 0 cannot be replayed yet/);
    expect(output).toMatch(/controls {2}15 of 15 stopped it on their own/);
    expect(output).toContain('not available yet: drill, a recorded rehearsal');
    expect(output).not.toContain('\u001b');
    expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(150);
    expect(longestSilenceMs).toBeLessThan(SILENCE_MS);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('a replay of 2023-07 is one document with --json, each row with what the run really did', { timeout: 90_000 }, async () => {
    const startedAt = performance.now();
    const { exitCode, output } = await play(['replay', '2023-07', '--json'], folder);
    record('2023-07', 5, startedAt, exitCode);
    expect(exitCode, output).toBe(0);
    const [version, document, result, ...more] = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(more).toEqual([]);
    expect([version.type, document.name, result.type, result.ok]).toEqual(['version', 'replay', 'result', true]);
    const { rows, summary, controls } = document.data;
    expect(rows.map((row: { ended: string }) => row.ended).toSorted()).toEqual([...Array(5).fill('as it must'), 'not built yet']);
    expect(summary).toMatchObject({ asTheyMust: 5, differ: 0, notBuiltRows: 1 });
    expect(controls).toEqual([]);
    const codes = rows.flatMap((row: { acts: { code: string | null }[] }) => row.acts.flatMap(({ code }) => code ?? []));
    expect(codes).toEqual([
      'NEEDS_ATTENTION',
      'UNEXPECTED_SPLIT',
      'GATE_NOT_READY',
      'STALE_PLAN',
      'OLD_SEQUENCE',
      'MANIFEST_INVALID',
      'CONFIG_INVALID',
      'BUILD_GONE',
      'REVERTED',
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('a replay exits 1 when the program only claims to have done things, so that a staging build gets in', {
    timeout: 60_000,
  }, async () => {
    const { exitCode, output } = await play(['replay', '2023-10-30'], folder, obligingProgram(folder));
    expect(output).toMatch(/differs: expected exit 3 FOREIGN_BUILD/);
    expect(output).toMatch(/rows {6}\d+ ended as expected, [1-9]\d* differently/);
    expect(exitCode).toBe(1);
    expect(readdirSync(folder)).toEqual(['obliging.mjs']);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('a replay stops and cleans up when it is interrupted', { timeout: 60_000 }, async () => {
    const { exitCode, output } = await play(['replay', '2023-07'], folder, PROGRAM, { interruptAt: /kvdeploy status/ });
    expect(exitCode, output).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });

  it.each([
    ['2023-10-31', '2023-10-30'],
    ['2023-7', '2023-07'],
  ])('a replay of an unknown incident %s is refused, naming %s', async (typed, near) => {
    const { exitCode, output } = await play(['replay', typed], folder);
    expect(exitCode).toBe(2);
    expect(output).toContain('UNKNOWN_NAME');
    expect(output).toContain(`kvdeploy replay ${near}`);
  });
});

/** `points`: the rows that can be played, and the controls shown alone. */
function record(incident: string, points: number, startedAt: number, exitCode: number | null): void {
  const seconds = (performance.now() - startedAt) / 1000;
  const what = `rows and controls of the incident ${incident}, replayed on real traffic`;
  recordReliability({ name: `replay-${incident}`, what, points, seconds, seed: null, failures: exitCode === 0 ? 0 : 1 });
}
