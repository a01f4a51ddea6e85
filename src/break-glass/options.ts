/** The command line of break-glass, and its confirmation. Must refuse unknown options, and accept only the environment's name. */
import { createInterface } from 'node:readline';
import { safeLine } from '../base/text.ts';
import { Refused } from './refusal.ts';

export type Options = Readonly<ReturnType<typeof parseOptions>>;

export const HELP = `kvdeploy rollback --break-glass: roll back to the known-good build with only the local disk and the router

  kvdeploy rollback --break-glass --env production --reason "login is down, gateway answers 401"
  node <pointer folder>/break-glass.mjs --env production --reason "…" --to 0b9f1c2d

  -e, --env E          select the environment; or KVDEPLOY_ENV
  -t, --tenant T       select the tenant, if the state has several
  -s, --service S      select the service, if the state has several
      --to GUID        roll back to this earlier known-good build; 8 characters are enough
      --reason TEXT    record the reason; at least 10 characters
      --bad            the build that is left is bad: kvdeploy reconcile marks it so that it is not promoted again
      --not-bad        it is not; without either, nothing is marked
      --confirm E      confirm by naming the environment, instead of typing it
      --state-dir DIR  use this state directory or copy; or KVDEPLOY_STATE_DIR
      --rehearse       rehearse: run every check, write and change nothing; no reason needed
      --json           print one JSON object per line on stdout; never prompt
      --no-input       never prompt
  -q, --quiet          print no progress
  -h, --help           print this help

Break-glass needs no sign-in, config, checkout or registry. It sets a hold that stops every rollout of the service, and
exits 0 only if every change was made and read back. Afterwards, run: kvdeploy reconcile --env E
`;

/** The options that take a value, each with an example. */
const TEXTS = {
  '--env': 'production',
  '--tenant': 'acme',
  '--service': 'kv-gateway',
  '--to': '0b9f1c2d',
  '--reason': '"login is down, gateway answers 401"',
  '--confirm': 'production',
  '--state-dir': '/var/lib/kvdeploy',
  '--config': 'kvdeploy.config.yaml',
} as const;

const SWITCHES = [
  '--bad',
  '--not-bad',
  '--json',
  '--no-input',
  '--quiet',
  '--help',
  '--rehearse',
  '--break-glass',
  '--yes',
  '--verbose',
  '--no-color',
];

const SHORT = new Map([
  ['-e', '--env'],
  ['-t', '--tenant'],
  ['-s', '--service'],
  ['-c', '--config'],
  ['-q', '--quiet'],
  ['-v', '--verbose'],
  ['-y', '--yes'],
  ['-h', '--help'],
]);

/** Reads `argv` (without node and the program); throws Refused USAGE for an unknown, repeated or incomplete option. */
export function parseOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>) {
  const given = collect(argv);
  const textOf = (name: keyof typeof TEXTS) => given.get(name);
  if (given.has('--rehearse') && given.has('--confirm'))
    throw usage('--rehearse and --confirm are mutually exclusive: --rehearse changes nothing. Give only one.');
  const fromEnv = env.KVDEPLOY_ENV === '' ? undefined : env.KVDEPLOY_ENV;
  return {
    environment: textOf('--env') ?? fromEnv,
    tenant: textOf('--tenant'),
    service: textOf('--service'),
    to: textOf('--to'),
    reason: textOf('--reason'),
    confirm: textOf('--confirm'),
    stateDir: textOf('--state-dir'),
    mark: markOf(given),
    json: given.has('--json'),
    noInput: given.has('--no-input'),
    quiet: given.has('--quiet'),
    help: given.has('--help'),
    /** Do everything up to the first write, but not that. */
    rehearse: given.has('--rehearse'),
    /** Options of other commands that are accepted but have no effect here. */
    ignored: ['--config', '--yes'].filter((name) => given.has(name)),
  };
}

/** What was said of the build that is left. Contradicting flags refuse: nothing was done yet, and the message says which to leave out. */
function markOf(given: ReadonlyMap<string, string>): 'bad' | 'not-bad' | undefined {
  if (given.has('--bad') && given.has('--not-bad'))
    throw usage('--bad and --not-bad contradict each other. Give one, or neither.');
  return given.has('--bad') ? 'bad' : given.has('--not-bad') ? 'not-bad' : undefined;
}

function collect(argv: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  const words = argv.flatMap(splitShort);
  let named = false;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === 'rollback' && !named) {
      named = true;
      continue;
    }
    const [name, inline] = nameAndValue(word);
    const isSwitch = SWITCHES.includes(name);
    if (given.has(name) && !isSwitch) throw usage(`${name} is given twice.`);
    if (isSwitch && inline !== undefined) throw usage(`${name} takes no value.`);
    given.set(name, takesText(name) ? wordFor(name, inline, words) : '');
  }
  return given;
}

function takesText(name: string): name is keyof typeof TEXTS {
  return Object.hasOwn(TEXTS, name);
}

function wordFor(name: keyof typeof TEXTS, inline: string | undefined, words: string[]): string {
  const value = inline ?? (words[0]?.startsWith('-') === true ? undefined : words.shift());
  if (value !== undefined && value !== '') return value;
  throw new Refused('USAGE', `${name} needs a value.`, `For example: ${name} ${TEXTS[name]}`);
}

function nameAndValue(word: string): [string, string | undefined] {
  const equals = word.indexOf('=');
  const written = word.startsWith('--') && equals !== -1 ? word.slice(0, equals) : word;
  const name = SHORT.get(written) ?? written;
  if (!takesText(name) && !SWITCHES.includes(name)) throw usage(`Unknown argument for break-glass: ${JSON.stringify(written)}.`);
  return [name, written === word ? undefined : word.slice(equals + 1)];
}

/** `-eproduction` is `-e production`. */
function splitShort(word: string): string[] {
  return /^-[etsc]./.test(word) ? [word.slice(0, 2), word.slice(2)] : [word];
}

function usage(message: string): Refused {
  return new Refused('USAGE', message, 'kvdeploy rollback --break-glass --help lists every option.');
}

/** The reason as it is recorded. Throws Refused if it is missing, too short, or contains control characters. */
export function checkedReason(reason: string | undefined): string {
  const hint = 'Give a reason of at least 10 printable characters: --reason "login is down, gateway answers 401"';
  if (reason === undefined) throw new Refused('USAGE', 'Break-glass needs a reason.', hint);
  if (safeLine(reason) !== reason) throw new Refused('USAGE', 'The reason contains control characters.', hint);
  const plain = reason.replace(/\s+/gu, ' ').trim();
  if (plain.length < 10) throw new Refused('USAGE', 'The reason is too short.', hint);
  if (plain.length > 500) throw new Refused('USAGE', 'The reason has more than 500 characters.', hint);
  return plain;
}

export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };
}

/** Throws Refused unless `given` (from --confirm) or the line that a person types is the environment's name. Reads no pipe. */
export async function confirm(
  environment: string,
  given: string | undefined,
  mayAsk: boolean,
  terminal: Terminal,
): Promise<void> {
  if (given === environment) return;
  const hint = `Review the build and the changes above, then add: --confirm ${environment}`;
  if (given !== undefined)
    throw new Refused('NOT_CONFIRMED', `--confirm says ${JSON.stringify(given)}, not ${environment}.`, hint);
  if (!mayAsk || terminal.stdin.isTTY !== true || terminal.stderr.isTTY !== true) {
    const message = "There is no terminal on which to type the environment's name, and nothing else counts as confirmation.";
    throw new Refused('NO_TERMINAL', message, hint);
  }
  const typed = await ask(`Type the environment's name to continue (${environment}): `, hint, terminal);
  if (typed.trim() !== environment) throw new Refused('NOT_CONFIRMED', `${JSON.stringify(typed)} is not ${environment}.`, hint);
}

function ask(question: string, hint: string, { stdin, stderr }: Terminal): Promise<string> {
  // With `terminal: true` readline would send escape sequences; the system's own line editing is enough.
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  const stop = () => lines.close();
  process.once('SIGINT', stop);
  const answer = new Promise<string>((resolve, reject) => {
    stderr.write(question);
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => reject(new Refused('NOT_CONFIRMED', 'Nothing was typed.', hint)));
  });
  return answer.finally(() => process.off('SIGINT', stop));
}
