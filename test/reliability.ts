/** One line of figures per sweep, for the reliability table in the docs: written by the run itself. Must not judge anything. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', '.cache', 'reliability');

export interface Figures {
  /** Of the file; short and long forms of one sweep have names of their own. */
  readonly name: string;
  /** What was attacked, for people. */
  readonly what: string;
  readonly points: number;
  readonly seconds: number;
  /** Null where every point was tried, so that no seed chose. */
  readonly seed: string | null;
  readonly failures: number;
}

/** Replaces what the last run of this sweep wrote. `versions` are those of further programs that took part. */
export function recordReliability(figures: Figures, versions: Readonly<Record<string, string>> = {}): void {
  const { node } = process.versions;
  const seconds = Math.round(figures.seconds * 10) / 10;
  const line = { ...figures, seconds, date: new Date().toISOString(), versions: { node, kernel: release(), ...versions } };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${figures.name}.json`), `${JSON.stringify(line)}\n`);
}
