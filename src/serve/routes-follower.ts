/** Follows the routes file while serving. Must never serve by a file that it could not read whole and sound. */
import fs, { constants } from 'node:fs';
import { readAll, withFile } from '../base/durable/open-file.ts';
import type { Split } from '../core/rollout/split.ts';
import { appliedText, parseRoutes, routesText } from '../routers/local/local-routes.ts';
import { rotation } from './rotation.ts';

/** Contents are compared, not times: a rename within one clock tick would hide behind an equal mtime. */
const POLL_MS = 100;

const MAX_BYTES = 1024 * 1024;

/** The last good split, and why the file is not followed at present. */
export interface Following {
  split(): Split;
  applied(): string;
  problem(): string | null;
  /** The place of the next request, or undefined while there has never been a good split. */
  next(): string | undefined;
  /** Reads the file now instead of at the next poll. */
  look(): void;
  stop(): void;
}

/**
 * Reads `path` every 100 ms. A file that is missing, damaged or names a place that is not one of `places` at more than
 * 0 % keeps the last good split in force; `tell` hears of each problem and of its end, once.
 */
export function followRoutes(path: string, places: readonly string[], tell: (line: string) => void): Following {
  let split: Split = [];
  let next: (() => string) | undefined;
  let problem: string | null = null;
  let lastText: string | undefined;

  const look = (): void => {
    const found = readRoutes(path, places, lastText);
    if (found === 'unchanged') return;
    lastText = found.text;
    const before = problem;
    problem =
      'problem' in found
        ? `${found.problem}; ${next === undefined ? 'nothing is served' : 'the last good split stays in force'}`
        : null;
    if (problem !== null && problem !== before) tell(problem);
    if ('problem' in found) return;
    if (before !== null) tell(`${path} can be read again`);
    // The rotation restarts only with another split, so that writing the same one again changes nothing.
    if (next === undefined || routesText(found.split) !== routesText(split)) next = rotation(found.split);
    split = found.split;
  };
  look();
  const timer = setInterval(look, POLL_MS);
  return {
    split: () => split,
    applied: () => appliedText(split),
    problem: () => problem,
    next: () => next?.(),
    look,
    stop: () => clearInterval(timer),
  };
}

type Found = { readonly text: string | undefined } & ({ readonly split: Split } | { readonly problem: string });

function readRoutes(path: string, places: readonly string[], lastText: string | undefined): Found | 'unchanged' {
  let text: string;
  try {
    text = readBounded(path);
  } catch (error) {
    return { text: undefined, problem: `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (text === lastText) return 'unchanged';
  const parsed = parseRoutes(text);
  if ('problem' in parsed) return { text, problem: `${path} is damaged: ${parsed.problem}` };
  const strange = parsed.split.find(({ place, percent }) => percent > 0 && !places.includes(place));
  if (strange !== undefined) {
    return { text, problem: `${path} sends ${strange.percent} % to ${strange.place}, which has no address here` };
  }
  return { text, split: parsed.split };
}

function readBounded(path: string): string {
  return withFile(path, constants.O_RDONLY, fs, (file) => {
    const { size } = fs.fstatSync(file);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, at most ${MAX_BYTES} are read`);
    return readAll(file, size, fs).toString('utf8');
  });
}
