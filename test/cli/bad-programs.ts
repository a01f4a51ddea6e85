/** The example script of the command router, and one with one fault for each rule of `kvdeploy conformance`. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { subjectOf } from '../../src/commands/setup/conformance/program.ts';
import { type Trial, trials } from '../../src/commands/setup/conformance/trials.ts';
import { nodeIo } from '../../src/io.ts';
import { freshFolder } from '../fresh-folder.ts';

const SCRIPT = readFileSync(join(import.meta.dirname, '../../docs/examples/split-file.sh'), 'utf8');

export const SPLIT = '{"environment":"production","percent":{"blue":100,"green":0,"grey":0}}';

/** A text of the script, and what stands there instead. */
export type Fault = readonly [right: string, wrong: string];

/** The example script with its target `scratch`, with these faults. */
export function scriptWith(...faults: readonly Fault[]) {
  const folder = freshFolder();
  const script = join(folder, 'split.sh');
  for (const [right] of faults) expect(SCRIPT).toContain(right);
  writeFileSync(
    script,
    faults.reduce((text, [right, wrong]) => text.replace(right, () => wrong), SCRIPT),
  );
  chmodSync(script, 0o755);
  writeFileSync(join(folder, 'scratch.json'), SPLIT);
  return { folder, script, argv: [script, folder], file: join(folder, 'scratch.json') };
}

/** Tries one rule. Rejects with what the program did instead. */
export function attempt({ attempt: tryRule }: Trial, argv: readonly string[], timeoutMs = 10_000, kills = 20): Promise<string> {
  const terms = { timeoutMs, io: nodeIo };
  const subject = subjectOf(argv, 'scratch', terms);
  const stranger = subjectOf(argv, 'kvdeploy-no-such-target', terms);
  return tryRule({ subject, stranger, target: 'scratch', timeoutMs, kills });
}

/** The rule of this name. */
export function ruleOf(name: string): Trial {
  const trial = trials.find((one) => one.name === name);
  if (trial === undefined) throw new Error(`there is no rule ${name}`);
  return trial;
}

export interface BadProgram {
  readonly breaks: string;
  readonly faults: readonly Fault[];
  /** Of what conformance says. */
  readonly why: string;
}

/** Before anything is stored. */
const onSet = (what: string): Fault => ['new=$(printf \'%s\' "$input" |', `${what}\n  new=$(printf '%s' "$input" |`];

const splitOf = (blue: number, green: number) =>
  `printf '{"environment":"production","percent":{"blue":${blue},"green":${green},"grey":0}}'`;

const HALF = splitOf(50, 50);

const STORE = 'mv "$folder/.$target.new" "$file"';

/** Each breaks this rule and keeps every other. */
export const BAD_PROGRAMS: readonly BadProgram[] = [
  {
    breaks: 'identify names the environment',
    faults: [['environment: .environment}', 'environment: ("e" + (now * 1e6 | floor | tostring))}']],
    why: 'it names e',
  },
  {
    // Of a cache that was filled before.
    breaks: 'read says the same twice',
    faults: [['read) jq', `read) [ -e "$folder/.seen" ] || { touch "$folder/.seen"; file=$folder/.old; ${HALF} >"$file"; }; jq`]],
    why: 'the second read',
  },
  {
    breaks: 'set moves everything, and read shows it',
    faults: [onSet('case $input in *\'"grey":100\'*) exit 0 ;; esac')],
    why: 'read after set to blue 0 %, green 0 %, grey 100 % shows',
  },
  {
    breaks: 'set makes the steps that read promises',
    faults: [['smallestPercent: 0.1', 'smallestPercent: 0.01']],
    why: 'a share that is no multiple of 0.1',
  },
  {
    breaks: 'the same set again changes nothing',
    faults: [onSet('case $input in *:50*) if grep -q 50 "$file"; then refuse twice; fi ;; esac')],
    why: 'twice',
  },
  {
    breaks: 'the order of places does not matter',
    faults: [onSet("case $input in *drain*) refuse 'no drain' ;; esac")],
    why: 'no drain',
  },
  {
    breaks: 'an unknown target is refused',
    faults: [['[ -f "$file" ] || refuse "there is no target $target"', '[ -f "$file" ] || file=$folder/scratch.json']],
    why: 'set exited 0',
  },
  { breaks: 'an unknown format is refused', faults: [['select(.formatVersion == 1) | ', '']], why: 'exited 0' },
  {
    breaks: 'a split that cannot be is refused, and changes nothing',
    faults: [
      ['(.percent | keys) != ($old[0].percent | keys)', '((.percent | keys) - ($old[0].percent | keys)) != []'],
      ['elif (.percent | add - 100', 'elif ($old[0].percent + .percent | add - 100'],
      ['{percent: .percent} end', '{percent: ($old[0].percent + .percent)} end'],
    ],
    why: 'set with a place left out exited 0',
  },
  {
    breaks: 'garbage and huge input is refused, and changes nothing',
    faults: [['input=$(head -c 65536)', 'input=$(head -c 65536); [ -n "$input" ] || exit 0']],
    why: 'set with nothing exited 0',
  },
  {
    breaks: 'two sets at once leave one of the two',
    faults: [
      ['flock 9\n', 'flock -n 9 || { flock 9; mixed=1; }\n'],
      [STORE, `sleep 0.2; [ -z "\${mixed-}" ] || ${HALF} >"$folder/.$target.new"; ${STORE}`],
    ],
    why: 'which no one set',
  },
  {
    breaks: 'killed in the middle it leaves the old split or the new one',
    faults: [[STORE, `${HALF} >"$file"; sleep 0.4; ${STORE}`]],
    why: 'neither the old split nor the new one',
  },
];
