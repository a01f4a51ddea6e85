/** What the router says after we asked something of it. Must never be what we asked for instead. */
import type { Event } from '../core/ledger/events.ts';
import { type Split, splitText } from '../core/rollout/split.ts';
import type { Reading } from '../routers/router.ts';
import type { Runner } from './runner.ts';

/** Reads the router since the last shift; a failure is a reason, not an exception. */
export async function tryRead(runner: Runner): Promise<{ reading: Reading } | { why: string }> {
  try {
    return { reading: await runner.parts.target.read(runner.shiftedReading) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** What somebody else made of the split. */
export function drifted(expected: Split, reading: Reading, runner: Runner): Event {
  const split = reading.members.map(({ place, percent }) => ({ place, build: null, percent }));
  return { type: 'drifted', atMs: runner.parts.io.now(), why: driftText(expected, reading), split };
}

/** The same in words. */
export function driftText(expected: Split, reading: Reading): string {
  return `somebody else moved the traffic: kvdeploy set ${splitText(expected)}, the router reports ${splitText(reading.members)}`;
}
