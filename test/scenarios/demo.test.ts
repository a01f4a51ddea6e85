import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leftRunning, obligingProgram, PROGRAM, play } from './played.ts';

/** How long the demo may be silent: a CI log that stands still is taken for a hang. */
const SILENCE_MS = 12_000;

describe('the demo, played by the built program in a pipe', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-demo-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('the tour ends every scene as expected, is never silent for long, and leaves nothing', { timeout: 120_000 }, async () => {
    const played = await play(['demo', 'tour'], folder);
    expect(played.exitCode, played.output).toBe(0);
    for (const scene of ['wrong-env', 'good', 'bad', 'sso-down']) expect(played.output).toContain(`── ${scene}`);
    expect(played.output).toMatch(/✔ tour ended as expected/);
    expect(played.output).not.toContain('\u001b');
    expect(played.longestSilenceMs).toBeLessThan(SILENCE_MS);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('the demo exits 1, and still cleans up, when the program lets a staging build in', { timeout: 60_000 }, async () => {
    const obliging = obligingProgram(folder);
    const played = await play(['demo', 'wrong-env'], folder, obliging);
    expect(played.output).toMatch(/kvdeploy promote .*: expected exit 3, got exit 0/);
    expect(played.exitCode).toBe(1);
    expect(readdirSync(folder)).toEqual(['obliging.mjs']);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('the demo stops and cleans up when it is interrupted', { timeout: 60_000 }, async () => {
    const played = await play(['demo', 'good'], folder, PROGRAM, { interruptAt: /\$ kvdeploy adopt/ });
    expect(played.exitCode, played.output).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });
});
