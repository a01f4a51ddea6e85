/** Every command, flag and help line on one page. Must load no command before it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nearest } from './core/nearest.ts';
import type { Deps, Globals, Outcome } from './release/deps.ts';
import { version } from './version.ts';

/** Runs one command; main provides the one that prints the result. */
export type Runner = (command: string, globals: Globals, action: (deps: Deps) => Promise<Outcome>) => Promise<void>;

const EXAMPLES = `
Examples:
  kvdeploy demo                                            see it work; no setup
  kvdeploy promote --env production --build 7c9e6679       roll a build out behind its gates
  kvdeploy rollback --env production                       roll back to the known-good build
  kvdeploy rollback --break-glass --env production --reason "…"   roll back with only the local disk and the router
`;

/** The message of a parse error; undefined for another error. `asked`: help or the version was requested and printed. */
export function parseError(error: unknown): { readonly message: string; readonly asked: boolean } | undefined {
  return error instanceof CommanderError ? { message: error.message, asked: error.exitCode === 0 } : undefined;
}

/** The program; parse errors are thrown as CommanderError, never printed or exited on. */
export function buildProgram(run: Runner): Command {
  const program = everywhere(new Command('kvdeploy'))
    .description('Refuse builds from other environments, roll out behind health gates, and keep a rollback path.')
    .version(version, '-V, --version')
    .addHelpText('after', EXAMPLES)
    // An option of a command may have the name of one of the program's: `builds add --version`.
    .enablePositionalOptions()
    // Every subcommand inherits these two.
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  start(program, run);
  release(program, run);
  recover(program, run);
  look(program, run);
  setup(program, run);
  help(program.commandsGroup('Commands:'));
  return program;
}

/** `help promote`, `help pointer show`. Not the parser's own, which exits with the code of a failure. */
function help(group: Command): void {
  const ask = group
    .helpCommand(false)
    .command('help [command...]')
    .description('print the help of a command')
    .allowUnknownOption();
  ask.action((words: string[]) => {
    let at = group;
    for (const word of words.filter((each) => !each.startsWith('-'))) {
      const names = at.commands.map((command) => command.name());
      if (names.length === 0) break;
      const near = nearest(word, names);
      const found = at.commands[names.indexOf(word)];
      at = found ?? group.error(`unknown command '${word}'${near === undefined ? '' : `\n(Did you mean ${near}?)`}`);
    }
    at.outputHelp();
  });
}

function start(program: Command, run: Runner): void {
  program.commandsGroup('Start:');
  add(program, 'demo [scene]', 'run a demo with real HTTP on loopback, no setup: good, bad, wrong-env, sso-down, tour')
    .addOption(
      new Option('--router <kind>', 'use the HAProxy or nginx that is installed, in a temporary folder')
        .choices(['local', 'haproxy', 'nginx'])
        .default('local'),
    )
    .option('--keep', 'keep the temporary folder and print its path')
    .action((scene: string | undefined, options: { keep?: boolean; router: 'local' | 'haproxy' | 'nginx' }, command: Command) =>
      run('demo', globalsOf(command), async (deps) => {
        const { demoCommand } = await import('./commands/start/demo.ts');
        return demoCommand(scene ?? 'tour', { ...options, program: process.argv[1] ?? '' }, deps);
      }),
    );
  add(program, 'doctor', 'check machine, state, router, gates and rollback path; without --env, of every service')
    .option('--break-glass', 'rehearse break-glass up to its first write, with and without network; write nothing')
    .action(
      does(run, 'doctor', async (options, deps) => (await import('./commands/start/doctor/doctor.ts')).doctor(options, deps)),
    );
}

function release(program: Command, run: Runner): void {
  program.commandsGroup('Release:');
  add(program, 'validate [files...]', 'check manifests and config: files, folders, globs, or - for standard input')
    .addOption(
      new Option('--format <format>', 'choose the format of the findings').choices(['text', 'json', 'github']).default('text'),
    )
    .action((files: string[], options: { format: 'text' | 'json' | 'github' }, command: Command) =>
      run('validate', globalsOf(command), async (deps) =>
        (await import('./commands/release/validate.ts')).validateCommand(files, options, deps),
      ),
    );
  builds(program, run);
  add(program, 'places', 'show what is at each place, member by member, and which place is idle')
    .option('--idle', 'print the name of one idle place and nothing else; exit 3 or 6 if there is none')
    .action(
      does(run, 'places', async (options, deps) => (await import('./commands/release/places/places.ts')).places(options, deps)),
    );
  wanted(add(program, 'plan', 'show everything that promote would check and do; change nothing'))
    .option('--out <file>', 'write the plan, with hashes of all its inputs, for promote --plan')
    .action(does(run, 'plan', async (options, deps) => (await import('./commands/release/plan.ts')).plan(options, deps)));
  watched(confirmed(wanted(add(program, 'promote', 'roll out a build step by step, behind its gates'))))
    .option('--plan <file>', 'promote exactly this plan from plan --out, instead of --build or --from; refuse it if stale')
    .action(
      does(run, 'promote', async (options, deps) => (await import('./commands/release/promote.ts')).promote(options, deps)),
    );
  watched(confirmed(add(program, 'resume', 'continue an unfinished rollout, from any process that shares the state'))).action(
    does(run, 'resume', async (options, deps) => (await import('./commands/release/resume.ts')).resume(options, deps)),
  );
  reasoned(
    confirmed(add(program, 'abort', 'roll back an unfinished rollout to the stable build, through its leader or by taking over')),
  ).action(does(run, 'abort', async (options, deps) => (await import('./commands/release/abort.ts')).abort(options, deps)));
}

function builds(program: Command, run: Runner): void {
  const group = add(program, 'builds', 'list the builds that may be promoted here, and why the others may not');
  const list = does(run, 'builds', async (_options, deps) => (await import('./commands/release/builds.ts')).builds(deps));
  group.allowExcessArguments().action((options: object, command: Command) => {
    const [word] = command.args;
    if (word === undefined) return list(options, command);
    const near = nearest(
      word,
      group.commands.map((each) => each.name()),
    );
    return group.error(`unknown command '${word}'${near === undefined ? '' : `\n(Did you mean builds ${near}?)`}`);
  });
  addBuild(group, run);
  removeBuilds(group, run);
  reasoned(confirmed(add(group, 'pardon <guid>', 'take the bad mark of a build away; the ledger keeps both'))).action(
    (guid: string, options: object, command: Command) =>
      run('builds pardon', globalsOf(command), async (deps) =>
        (await import('./commands/release/pardon.ts')).pardon(guid, options, deps),
      ),
  );
}

const BUILD = ['--build <guid>', 'select the build by its GUID, or by at least 8 characters of it'] as const;

const RECIPE = `
The GUID is derived (RFC 9562, UUIDv5); one commit built for two environments has two:
  namespace = UUIDv5(URL namespace, "kvdeploy:TENANT/ENVIRONMENT/SERVICE")
  guid      = UUIDv5(namespace, DIGEST), or of REPOSITORY@COMMIT where no digest is given
It is printed on stdout. The same line again changes nothing.
`;

function addBuild(group: Command, run: Runner): void {
  add(group, 'add', 'write a build into the manifest, under a GUID derived from what was built; print the GUID')
    .option('--version <version>', 'set the version of the build, as shown to people')
    .option('--digest <digest>', 'set the digest of its bytes: sha256:…')
    .option('--file <file>', 'take the digest of this file')
    .option('--commit <id>', 'set the commit that was built; with --repository')
    .option('--repository <address>', 'set the repository of the commit')
    .option('--ref <place>', 'set its place: what the router calls where it runs')
    .option('--sequence <n>', 'set its sequence (default: auto, one more than the highest)')
    .option('--label <name=value>', 'set a label; may be given several times', (text: string, all?: string[]) => [
      ...(all ?? []),
      text,
    ])
    .option('--created-at <time>', 'set when it was built (default: now)')
    .option('--live', 'take place and identity from the build that serves now, as all of its members answer')
    .addHelpText('after', RECIPE)
    .action(
      does(run, 'builds add', async (options, deps) =>
        (await import('./commands/release/builds-add.ts')).addBuild(options, deps),
      ),
    );
}

function removeBuilds(group: Command, run: Runner): void {
  add(group, 'remove', 'take a build out of the manifest that is not known-good, live or a rollback target; needs the ledger')
    .option(...BUILD)
    .action(
      does(run, 'builds remove', async (options, deps) =>
        (await import('./commands/release/builds-remove.ts')).removeBuild(options, deps),
      ),
    );
  add(group, 'prune', 'take old builds out of the manifest, none that is known-good, live or a rollback target; needs the ledger')
    .option('--keep <n>', 'keep the newest n by sequence (default: 20)')
    .action(
      does(run, 'builds prune', async (options, deps) =>
        (await import('./commands/release/builds-remove.ts')).pruneBuilds(options, deps),
      ),
    );
}

function recover(program: Command, run: Runner): void {
  program.commandsGroup('Recover:');
  reasoned(confirmed(add(program, 'rollback', 'roll back to the known-good build, or to an earlier known-good one')))
    .option('--to <guid>', 'roll back to this earlier known-good build')
    .option('--bad', 'mark the build that is left bad; without --bad and --not-bad a terminal asks, else nothing is marked')
    .option('--not-bad', 'do not mark it')
    .option('--break-glass', 'use only the local disk and the router: no config, ledger or sign-in')
    .action(
      does(run, 'rollback', async (options, deps) => (await import('./commands/recover/rollback.ts')).rollback(options, deps)),
    );
  reasoned(confirmed(add(program, 'reconcile', 'after break-glass: review, record, and lift the hold')))
    .option('--bad', 'mark the build that break-glass left bad, whatever was said then')
    .option('--not-bad', 'do not mark it, whatever was said then')
    .action(
      does(run, 'reconcile', async (options, deps) => (await import('./commands/recover/reconcile.ts')).reconcile(options, deps)),
    );
  reasoned(
    confirmed(add(program, 'converge', 'put what drifted or was moved by hand back to what the ledger says; mark nothing')),
  ).action(
    does(run, 'converge', async (options, deps) => (await import('./commands/recover/converge.ts')).converge(options, deps)),
  );
  confirmed(add(program, 'adopt', 'adopt a service: make the build currently serving known-good'))
    .option('--to <guid>', 'after a lost state: move all traffic to this build first')
    .option('--max-wait <duration>', 'stop waiting after this time; exit 75')
    .action(does(run, 'adopt', async (options, deps) => (await import('./commands/recover/adopt.ts')).adopt(options, deps)));
  pointer(program, run);
}

function pointer(program: Command, run: Runner): void {
  const group = everywhere(program.command('pointer')).description('show, verify, export or import the known-good pointer');
  add(group, 'show', 'show every generation, and the changes that restore the known-good build').action(
    does(run, 'pointer show', async (_options, deps) => (await import('./commands/recover/pointer.ts')).showPointer(deps)),
  );
  add(group, 'verify', 'render the rollback path again and compare')
    .option('--renew', 'rewrite the pointer if it is damaged or out of date')
    .action(
      does(run, 'pointer verify', async (options, deps) =>
        (await import('./commands/recover/pointer.ts')).verifyPointer(options, deps),
      ),
    );
  add(group, 'export', 'write the known-good build to stdout, for another machine').action(
    does(run, 'pointer export', async (_options, deps) => (await import('./commands/recover/pointer.ts')).exportPointer(deps)),
  );
  confirmed(add(group, 'import <file>', 'import the known-good build from another machine, if the target confirms it')).action(
    (file: string, options: object, command: Command) =>
      run('pointer import', globalsOf(command), async (deps) =>
        (await import('./commands/recover/pointer.ts')).importPointer(file, options, deps),
      ),
  );
  help(group);
}

function look(program: Command, run: Runner): void {
  program.commandsGroup('Look:');
  add(program, 'status', 'show where traffic goes, which build is known-good, and who leads')
    .option('--watch', 'refresh every second until Ctrl-C; in a pipe, print one line per change')
    .action(
      does(run, 'status', async (options, deps) => (await import('./commands/look/status/status.ts')).status(options, deps)),
    );
  add(program, 'history', 'show the ledger of a service')
    .option('--limit <n>', 'show only the newest n entries, newest last', limitOf)
    .action(does(run, 'history', async (options, deps) => (await import('./commands/look/history.ts')).history(options, deps)));
  add(
    program,
    'explain [code]',
    'explain a code and what to do, offline; exit-codes prints the table, no argument lists every code',
  ).action((code: string | undefined, _options: object, command: Command) =>
    run('explain', globalsOf(command), async (deps) => (await import('./commands/look/explain.ts')).explain(code, deps)),
  );
  add(program, 'replay <incident>', 'replay an incident on this machine, on loopback: 2023-10-30, 2023-07')
    .option('--keep', 'keep the temporary folder and print its path')
    .action((incident: string, options: { keep?: boolean }, command: Command) =>
      run('replay', globalsOf(command), async (deps) =>
        (await import('./commands/look/replay.ts')).replayCommand(incident, { ...options, program: process.argv[1] ?? '' }, deps),
      ),
    );
  backtest(program, run);
}

function backtest(program: Command, run: Runner): void {
  add(program, 'backtest', 'show when and why the gates would have decided on a recorded rollout')
    .option('--trace <file>', 'read this CSV: t_s,slice,build,requests,errors, optionally status and le; - for standard input')
    .option('--from-prometheus <url>', "run the queries of the config's prometheus gates from --start to --end")
    .option('--build <guid>', 'name the candidate there: GUID, place, or GUID@PLACE')
    .option('--stable <guid>', 'name the stable build there: GUID, place, or GUID@PLACE')
    .option('--start <time>', 'set the start of the rollout, such as 2026-11-22T10:00:00Z, or seconds since 1970')
    .option('--end <time>', 'set the end of the range')
    .option('--step <duration>', 'set the interval length (default: the scrape interval)')
    .option('--calibrate', 'compare the stable build with itself; print the threshold and cluster size for the config')
    .action(
      does(run, 'backtest', async (options, deps) =>
        (await import('./commands/look/backtest/backtest.ts')).backtest(options, deps),
      ),
    );
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number above 0.');
}

function setup(program: Command, run: Runner): void {
  program.commandsGroup('Setup:');
  add(program, 'serve', 'run the embedded local router, for trials and tests')
    .option('--initially <place>', 'send all traffic to this place until a routes file exists')
    .action((options: { initially?: string }, command: Command) =>
      run('serve', globalsOf(command), async (deps) => {
        const { openScope } = await import('./release/open.ts');
        const { scope, settings } = await openScope(deps, { config: 'needed', anyState: true });
        const { serveCommand } = await import('./commands/setup/serve.ts');
        return serveCommand({ scope, router: settings?.router ?? null }, options, deps);
      }),
    );
  add(program, 'conformance <program...>', 'try, on its target scratch, whether a program keeps to what the command router needs')
    .usage('[options] -- PROGRAM [ARGUMENT...]')
    .option('--confirm <scratch>', 'confirm with the word scratch; required without a terminal')
    .option('--timeout <duration>', 'how long each run of the program may take, such as 10s', '10s')
    .action((argv: string[], options: { confirm?: string; timeout: string }, command: Command) =>
      run('conformance', globalsOf(command), async (deps) =>
        (await import('./commands/setup/conformance/conformance.ts')).conformance(argv, options, deps),
      ),
    );
  add(
    program,
    'schema <name>',
    'print a JSON Schema: release-manifest, config, machine, output-line, command-read, command-set and others',
  ).action((name: string, _options: object, command: Command) =>
    run('schema', globalsOf(command), async (deps) => (await import('./commands/setup/schema.ts')).schemaCommand(name, deps)),
  );
}

/** The action of a command without arguments, as the parser calls it. */
function does(run: Runner, name: string, act: (options: object, deps: Deps) => Promise<Outcome>) {
  return (options: object, command: Command) => run(name, globalsOf(command), (deps) => act(options, deps));
}

function add(parent: Command, signature: string, description: string): Command {
  // A group lets its own pass, to name the part that is meant; its parts would inherit that.
  return everywhere(parent.command(signature).description(description)).allowExcessArguments(false);
}

/** The flags that every command has. */
function everywhere(command: Command): Command {
  return command
    .option('-c, --config <file>', 'use this config (default: the nearest one up to the repository root)')
    .option('-t, --tenant <name>', 'select the tenant; optional if there is only one')
    .option('-e, --env <name>', 'select the environment; required (or KVDEPLOY_ENV)')
    .option('-s, --service <name>', 'select the service; optional if there is only one')
    .option('--state-dir <dir>', 'use this state directory (ledger, pointer, hold); or KVDEPLOY_STATE_DIR')
    .option('--run-programs', 'let plan and doctor run programs that the config names')
    .option('--json', 'print one JSON object per line on stdout; implies --no-input')
    .option('-q, --quiet', 'print only results, warnings and errors')
    .option('-v, --verbose', 'print every poll')
    .option('-y, --yes', 'answer yes; a protected environment still requires --confirm')
    .option('--no-input', 'never prompt')
    .option('--no-color', 'disable colour');
}

function wanted(command: Command): Command {
  return command
    .option(...BUILD)
    .option(
      '--from <environment>',
      'select the build made from the source that is known-good in that environment, or in a file from pointer export',
    );
}

function confirmed(command: Command): Command {
  return command.option('--confirm <environment>', 'confirm by naming the protected environment, instead of typing it');
}

function reasoned(command: Command): Command {
  return command.option('--reason <text>', 'record the reason in the ledger');
}

function watched(command: Command): Command {
  return command
    .option('--until <percent>', 'stop after this step has baked; resume continues')
    .option('--max-wait <duration>', 'exit 75 after this time; resume continues');
}

/** Flags may be given before or after the command; the last one given for the command itself wins, defaults never do. */
function globalsOf(command: Command): Globals {
  const given = Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) !== 'default');
  return { ...(command.parent === null ? {} : globalsOf(command.parent)), ...Object.fromEntries(given) };
}
