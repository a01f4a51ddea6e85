/** What reaches a terminal: gathers what reports, findings and break-glass print, and holds it against a list of its own. */
import { Writable } from 'node:stream';
import { EXIT_OF } from '../../src/base/codes.ts';
import { Voice } from '../../src/break-glass/voice.ts';
import { type Finding, KvdeployError } from '../../src/core/errors.ts';
import { findingsText, githubAnnotations } from '../../src/core/manifest/finding.ts';
import type { OutputLine } from '../../src/core/output.ts';
import { createReport } from '../../src/terminal/report.ts';
import { must } from './sweep.ts';

/**
 * Written out by number, not by the property names that the sanitisers use: C0 but tab and line feed, DEL and C1, soft hyphen, joiners,
 * fillers, bidi marks and overrides, zero width, separators, byte order mark, lone surrogates, annotations, tags, selectors.
 */
const UNSAFE_POINTS: readonly (readonly [number, number])[] = [
  [0x0, 0x8],
  [0xb, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
];
const point = (number: number) => `\\u{${number.toString(16)}}`;
const UNSAFE = new RegExp(`[${UNSAFE_POINTS.map(([from, to]) => `${point(from)}-${point(to)}`).join('')}]`, 'u');

/** Throws where a text holds what could drive or deceive a terminal. */
export function mustBeSafe(text: string, what: string): void {
  const found = UNSAFE.exec(text);
  if (found === null) return;
  const number = (found[0].codePointAt(0) ?? 0).toString(16);
  const near = JSON.stringify(text.slice(Math.max(0, found.index - 30), found.index));
  throw new Error(`unsafe in ${what}: U+${number} after ${near}`);
}

class Gathered extends Writable {
  text = '';
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

/** Prints lines for people and for machines; both must be safe, and the machines must read what was said. */
export function mustPrintSafely(lines: readonly OutputLine[]): void {
  for (const json of [false, true]) {
    const stdout = new Gathered();
    const stderr = new Gathered();
    const report = createReport({
      json,
      quiet: false,
      verbose: true,
      stdout,
      stderr,
      colour: { stdout: false, stderr: false },
      tty: false,
      unicode: true,
      clock: { now: () => 0, every: () => () => undefined },
    });
    for (const line of lines) report.line(line);
    report.close();
    mustBeSafe(stdout.text, `stdout${json ? ' of --json' : ''}`);
    mustBeSafe(stderr.text, `stderr${json ? ' of --json' : ''}`);
    if (!json) continue;
    const told = stdout.text.trimEnd().split('\n').slice(1);
    must(told.length === lines.length, `${lines.length} lines were told as ${told.length}`);
    for (const [index, line] of lines.entries())
      must(told[index] !== undefined && same(JSON.parse(told[index]), line), 'a line says something else as JSON');
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** As the command line prints an error that a command ended with. Anything but a KvdeployError is a crash. */
export function mustBeOurs(error: unknown): void {
  if (!(error instanceof KvdeployError)) throw error;
  must(error.hint !== '', 'an error without a hint');
  const places = error.places.map((place) => ({ ...place }));
  const { code, message, hint } = error;
  mustPrintSafely([
    {
      type: 'result',
      command: 'x',
      ok: false,
      code,
      exitCode: EXIT_OF[code],
      message,
      hint,
      scope: null,
      traffic: null,
      places,
      next: [],
    },
  ]);
}

/** Findings as text and as annotations; each annotation stays on one line of its own. */
export function mustShowSafely(findings: readonly Finding[]): void {
  mustBeSafe(findingsText(findings), 'findings');
  const annotations = githubAnnotations(findings);
  mustBeSafe(annotations, 'annotations');
  const lines = annotations.split('\n').slice(0, -1);
  must(
    lines.every((line) => /^::(error|notice) /.test(line)),
    'a text began a line of the annotations',
  );
  must(lines.length <= 11, 'more annotations than are shown');
  for (const finding of findings)
    must(finding.line >= 1 && finding.column >= 1 && finding.fix !== '', 'a finding without place or fix');
}

/** What break-glass says while `speak` talks; with `--json` it says the words as well. Shell commands may hold line feeds and tabs, as everything may. */
export function mustSpeakSafely(speak: (voice: Voice) => void, modes: readonly boolean[] = [false, true]): void {
  for (const json of modes) {
    const stdout = new Gathered();
    const stderr = new Gathered();
    speak(new Voice({ stdout, stderr }, { json, quiet: false }));
    mustBeSafe(stdout.text, `stdout of break-glass${json ? ' with --json' : ''}`);
    mustBeSafe(stderr.text, 'stderr of break-glass');
  }
}
