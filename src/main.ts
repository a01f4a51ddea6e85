/** argv in, exit code out. The only place that turns an error into a result. */
import { EXIT, EXIT_OF } from './base/codes.ts';
import { buildProgram, parseError } from './cli.ts';
import { KvdeployError } from './core/errors.ts';
import type { ResultLine } from './core/output.ts';
import { systemError } from './core/system-error.ts';
import type { Deps, Globals, Outcome, Situation } from './release/deps.ts';
import type { Report } from './terminal/report.ts';

/** An error fits on a screen; `validate` shows every finding. */
const FINDINGS_SHOWN = 5;

/** More than any file may have; what is beyond is refused as too large without being read. */
const STDIN_BYTES_MAX = 1024 * 1024;

/** These move no traffic, and one of them is there to say what is unsafe. */
const LOOKING = ['doctor', 'explain'];

type Action = (deps: Deps) => Promise<Outcome>;

/** Runs one command line; the returned number is the exit code. Never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = buildProgram(async (command, globals, action) => {
    exitCode = await runCommand(command, globals, action);
  });
  if (argv.length === 0) {
    program.outputHelp();
    return EXIT.done;
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    const parse = parseError(error);
    if (parse?.asked === true) return EXIT.done;
    const globals: Globals = { json: argv.includes('--json') };
    // With its part: `builds add`.
    let at = program;
    const words: string[] = [];
    for (const word of argv) {
      const found = at.commands.find((each) => each.name() === word);
      at = found ?? at;
      if (found !== undefined) words.push(word);
    }
    const command = words.join(' ');
    return runCommand(command, globals, async () => {
      throw parse === undefined ? error : usageError(parse.message, command);
    });
  }
}

/** The parser's words as an error of the house; a group without a part has only shown its help. */
function usageError(text: string, command: string): KvdeployError {
  // What was given to an option that is not known may be a secret.
  const [first = '', ...rest] = text
    .replace(/^error: /, '')
    .replace(/^(unknown option '[^'=]*)=.*'/s, "$1'")
    .split('\n');
  const missing = command === '' ? 'no command was given' : `the command ${command} needs a subcommand`;
  const message = first === '(outputHelp)' ? missing : first.replace(/\.$/, '');
  const more = rest.join(' ').trim();
  const guess = more.replace(/^\((.*)\)$/, '$1');
  const help = command === '' || command === 'help' ? 'kvdeploy --help' : `kvdeploy ${command} --help`;
  return new KvdeployError('USAGE', {
    message: `${message.charAt(0).toUpperCase()}${message.slice(1)}.`,
    hint: guess === '' ? help : guess,
  });
}

async function runCommand(command: string, globals: Globals, action: Action): Promise<number> {
  const wish = {
    json: globals.json === true,
    quiet: globals.quiet === true,
    verbose: globals.verbose === true,
    colour: globals.color === false ? ('never' as const) : undefined,
  };
  // What every command needs, but `--help` does not: loaded now, so that help starts fast.
  const [{ createReport, reportOptions }, { nodeIo }, ask] = await Promise.all([
    import('./terminal/report.ts'),
    import('./io.ts'),
    import('./terminal/ask.ts'),
  ]);
  const options = reportOptions(wish, { stdout: process.stdout, stderr: process.stderr }, process.env, nodeIo);
  const report = createReport(options);
  const situation: Situation = { scope: null, traffic: null };
  try {
    if (!LOOKING.includes(command)) refuseUnsafeEnvironment();
    const outcome = await action(depsFor(globals, report, situation, { io: nodeIo, ask, colour: options.colour.stdout }));
    return await tell(command, outcome, situation, report);
  } catch (error) {
    return await tell(command, outcomeOfError(error), situation, report);
  } finally {
    report.close();
  }
}

/** A process that would accept any certificate must not move traffic. */
function refuseUnsafeEnvironment(): void {
  if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return;
  throw new KvdeployError('UNSAFE_ENVIRONMENT', {
    message: 'NODE_TLS_REJECT_UNAUTHORIZED=0 disables all certificate checks.',
    hint: 'Unset it. For a private CA, use NODE_EXTRA_CA_CERTS.',
  });
}

type Parts = Pick<Deps, 'io' | 'colour'> & { readonly ask: typeof import('./terminal/ask.ts') };

function depsFor(globals: Globals, report: Report, situation: Situation, { io, ask, colour }: Parts): Deps {
  const [stdinTty, stderrTty] = [process.stdin.isTTY === true, process.stderr.isTTY === true];
  const ci = (process.env['CI'] ?? '') !== '' && process.env['CI'] !== 'false';
  const noInput = globals.input === false || globals.json === true || (process.env['KVDEPLOY_NO_INPUT'] ?? '') !== '';
  // A live view would paint over the question.
  const below =
    <A extends readonly unknown[], T>(question: (...args: A) => Promise<T>) =>
    (...args: A) => {
      report.close();
      return question(...args);
    };
  return {
    io,
    globals,
    cwd: currentFolder(),
    situation,
    line: (line) => report.line(line),
    print: (text) => report.print(text.replace(/\n$/, '')),
    write: report.write,
    columns: process.stdout.columns || undefined,
    stdin: readStdin,
    colour,
    canAsk: ask.canAsk({ stdinTty, stderrTty, ci, noInput }),
    askName: below(ask.askName),
    askYes: below(ask.askYes),
    askText: below(ask.askText),
    onSignal,
    atTerminal: stdinTty && stderrTty,
  };
}

function currentFolder(): string {
  try {
    return process.cwd();
  } catch (cause) {
    const hint = 'Change to another folder. In an emergency, break-glass needs none: kvdeploy rollback --break-glass.';
    throw new KvdeployError('USAGE', {
      message: 'The current folder no longer exists, or this user may not look at it.',
      hint,
      cause,
    });
  }
}

async function readStdin(most = STDIN_BYTES_MAX): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > most) break;
  }
  return Buffer.concat(chunks);
}

function onSignal(heard: Parameters<Deps['onSignal']>[0]): () => void {
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    let times = 0;
    const listener = () => {
      times += 1;
      heard(signal, times);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return () => {
    for (const { signal, listener } of listeners) process.removeListener(signal, listener);
  };
}

function outcomeOfError(thrown: unknown): Outcome {
  const error = systemError(thrown) ?? thrown;
  if (error instanceof KvdeployError) {
    const found = error.findings
      .filter(({ message }) => message !== error.message)
      .slice(0, FINDINGS_SHOWN)
      .map(({ file, line, column, message }) => ({ file, line, column, note: message }));
    return { code: error.code, message: error.message, hint: error.hint, places: [...error.places, ...found] };
  }
  if ((process.env['KVDEPLOY_DEBUG'] ?? '') !== '' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return {
    code: 'BUG',
    message: `This is a bug in kvdeploy: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'Run the command again with KVDEPLOY_DEBUG=1 and report the output.',
  };
}

async function tell(command: string, outcome: Outcome, situation: Situation, report: Report): Promise<number> {
  if (outcome.silent === true) return outcome.exitCode ?? EXIT.done;
  const exitCode = outcome.exitCode ?? (outcome.code === null ? EXIT.done : EXIT_OF[outcome.code]);
  const line: ResultLine = {
    type: 'result',
    command,
    ok: exitCode === EXIT.done,
    code: outcome.code,
    exitCode,
    message: outcome.message,
    hint: outcome.hint ?? null,
    scope: situation.scope,
    traffic: (await situation.traffic?.()) ?? null,
    places: (outcome.places ?? []).map((place) => ({ ...place })),
    next: [...(outcome.next ?? [])],
    ...outcome.decision,
  };
  report.close();
  report.line(line);
  return exitCode;
}
