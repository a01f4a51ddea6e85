/** Every command, flag and help line on one page. Must load no command before it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nearest } from './core/nearest.ts';
import type { Deps, Globals, Outcome } from './release/deps.ts';
import { version } from './version.ts';

/** Runs one command; main gives the one that prints its result. */
export type Runner = (command: string, globals: Globals, action: (deps: Deps) => Promise<Outcome>) => Promise<void>;

const EXAMPLES = `
Examples:
  kvdeploy demo                                            see it work, with nothing to set up
  kvdeploy promote --env production --build 7c9e6679       roll a build out behind its gates
  kvdeploy rollback --env production                       back to the known-good build
  kvdeploy rollback --break-glass --env production --reason "…"   the same with nothing but local disk and the router
`;

/** What a parse error says; undefined for another error. `asked`: help or the version was wanted, and was printed. */
export function parseError(error: unknown): { readonly message: string; readonly asked: boolean } | undefined {
  return error instanceof CommanderError ? { message: error.message, asked: error.exitCode === 0 } : undefined;
}

/** The program; parse errors are thrown as CommanderError, never printed or exited on. */
export function buildProgram(run: Runner): Command {
  const program = everywhere(new Command('kvdeploy'))
    .description('Refuses builds from another environment, rolls out behind health gates, keeps a way back.')
    .version(version, '-V, --version')
    .addHelpText('after', EXAMPLES)
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

/** `help promote`, `help pointer show`. Not the parser's own, which ends with the exit code of a failure. */
function help(group: Command): void {
  const ask = group.helpCommand(false).command('help [command...]').description('display help for command').allowUnknownOption();
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
  add(program, 'demo [scene]', 'real HTTP on loopback, nothing to set up: good, bad, wrong-env, sso-down, tour')
    .option('--keep', 'keep the temporary folder and say where it is')
    .action((scene: string | undefined, options: { keep?: boolean }, command: Command) =>
      run('demo', globalsOf(command), async (deps) =>
        (await import('./commands/start/demo.ts')).demoCommand(
          scene ?? 'tour',
          { ...options, program: process.argv[1] ?? '' },
          deps,
        ),
      ),
    );
  add(program, 'doctor', 'checks this machine, the state, the router, the gates and the way back; every service without --env')
    .option('--break-glass', 'rehearses the whole emergency path instead, with everything else cut; writes nothing')
    .action(
      does(run, 'doctor', async (options, deps) => (await import('./commands/start/doctor/doctor.ts')).doctor(options, deps)),
    );
}

function release(program: Command, run: Runner): void {
  program.commandsGroup('Release:');
  add(program, 'validate [files...]', 'check manifests and config: files, folders, globs, or - for standard input')
    .addOption(new Option('--format <format>', 'how to print findings').choices(['text', 'json', 'github']).default('text'))
    .action((files: string[], options: { format: 'text' | 'json' | 'github' }, command: Command) =>
      run('validate', globalsOf(command), async (deps) =>
        (await import('./commands/release/validate.ts')).validateCommand(files, options, deps),
      ),
    );
  add(program, 'builds', 'what may be promoted here, and why the rest may not').action(
    does(run, 'builds', async (_options, deps) => (await import('./commands/release/builds.ts')).builds(deps)),
  );
  wanted(add(program, 'plan', 'everything that promote would check and do; changes nothing'))
    .option('--out <file>', 'write the plan, with hashes of everything it was made from, for promote --plan')
    .action(does(run, 'plan', async (options, deps) => (await import('./commands/release/plan.ts')).plan(options, deps)));
  watched(confirmed(wanted(add(program, 'promote', 'roll a build out, step by step, behind its gates'))))
    .option('--plan <file>', 'exactly this plan of plan --out, in place of --build and --from; refused once it is stale')
    .action(
      does(run, 'promote', async (options, deps) => (await import('./commands/release/promote.ts')).promote(options, deps)),
    );
  watched(
    confirmed(add(program, 'resume', 'carry on with an unfinished rollout, from any process that shares the state')),
  ).action(does(run, 'resume', async (options, deps) => (await import('./commands/release/resume.ts')).resume(options, deps)));
  reasoned(
    confirmed(add(program, 'abort', 'go back to the stable build; the leader does it, or this command takes over')),
  ).action(does(run, 'abort', async (options, deps) => (await import('./commands/release/abort.ts')).abort(options, deps)));
}

function recover(program: Command, run: Runner): void {
  program.commandsGroup('Recover:');
  reasoned(confirmed(add(program, 'rollback', 'to the known-good build, or to an earlier known-good one')))
    .option('--to <guid>', 'an earlier known-good build')
    .option(
      '--break-glass',
      'with nothing but local disk and the router: no config, ledger, sign-in or network before the decision',
    )
    .action(
      does(run, 'rollback', async (options, deps) => (await import('./commands/recover/rollback.ts')).rollback(options, deps)),
    );
  reasoned(confirmed(add(program, 'reconcile', 'after break-glass: review, write down, lift the hold'))).action(
    does(run, 'reconcile', async (options, deps) => (await import('./commands/recover/reconcile.ts')).reconcile(options, deps)),
  );
  confirmed(add(program, 'adopt', 'take over a service: what serves now becomes known-good'))
    .option('--max-wait <duration>', 'leave after so long, with exit code 75')
    .action(does(run, 'adopt', async (options, deps) => (await import('./commands/recover/adopt.ts')).adopt(options, deps)));
  pointer(program, run);
}

function pointer(program: Command, run: Runner): void {
  const group = program
    .command('pointer')
    .description('the known-good pointer: show, verify, export, import')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  add(group, 'show', 'every generation, and the changes that restore the known-good build').action(
    does(run, 'pointer show', async (_options, deps) => (await import('./commands/recover/pointer.ts')).showPointer(deps)),
  );
  add(group, 'verify', 'render the way back again and compare')
    .option('--renew', 'write it again where it is damaged or out of date')
    .action(
      does(run, 'pointer verify', async (options, deps) =>
        (await import('./commands/recover/pointer.ts')).verifyPointer(options, deps),
      ),
    );
  add(group, 'export', 'the known-good build as a file for another machine').action(
    does(run, 'pointer export', async (_options, deps) => (await import('./commands/recover/pointer.ts')).exportPointer(deps)),
  );
  confirmed(
    add(group, 'import <file>', 'begin with the known-good build of another machine, once the target confirms it'),
  ).action((file: string, options: object, command: Command) =>
    run('pointer import', globalsOf(command), async (deps) =>
      (await import('./commands/recover/pointer.ts')).importPointer(file, options, deps),
    ),
  );
  help(group);
}

function look(program: Command, run: Runner): void {
  program.commandsGroup('Look:');
  add(program, 'status', 'where traffic is, what is known-good, who leads')
    .option('--watch', 'again every second, until Ctrl-C; in a pipe one line for each change')
    .action(
      does(run, 'status', async (options, deps) => (await import('./commands/look/status/status.ts')).status(options, deps)),
    );
  add(program, 'history', 'the ledger of a scope')
    .option('--limit <n>', 'how many entries, newest last', limitOf)
    .action(does(run, 'history', async (options, deps) => (await import('./commands/look/history.ts')).history(options, deps)));
  add(
    program,
    'explain [code]',
    'what a code means and what to do, offline; exit-codes for the table, nothing for every code',
  ).action((code: string | undefined, _options: object, command: Command) =>
    run('explain', globalsOf(command), async (deps) => (await import('./commands/look/explain.ts')).explain(code, deps)),
  );
  add(program, 'replay <incident>', 'an incident against a local world, on loopback: 2023-10-30, 2023-07')
    .option('--keep', 'keep the temporary folder and say where it is')
    .action((incident: string, options: { keep?: boolean }, command: Command) =>
      run('replay', globalsOf(command), async (deps) =>
        (await import('./commands/look/replay.ts')).replayCommand(incident, { ...options, program: process.argv[1] ?? '' }, deps),
      ),
    );
  backtest(program, run);
}

function backtest(program: Command, run: Runner): void {
  add(
    program,
    'backtest',
    'when the gates would have decided over a recorded rollout, and why; without a config the default gate',
  )
    .option(
      '--trace <file>',
      'CSV with t_s,slice,build,requests,errors, and status or le where it has them; - for standard input',
    )
    .option('--from-prometheus <url>', "in place of a file: the queries of the config's prometheus gates over --start to --end")
    .option('--build <guid>', 'the candidate there: its GUID, its place, or GUID@PLACE')
    .option('--stable <guid>', 'the stable build there, likewise')
    .option('--start <time>', 'when the rollout began, such as 2026-11-22T10:00:00Z, or seconds since 1970')
    .option('--end <time>', 'when the range ends')
    .option('--step <duration>', 'the length of one interval; the scrape interval when left out')
    .option('--calibrate', 'the stable build against itself: the threshold and the clumps for the config')
    .action(
      does(run, 'backtest', async (options, deps) =>
        (await import('./commands/look/backtest/backtest.ts')).backtest(options, deps),
      ),
    );
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a whole number above 0.');
}

function setup(program: Command, run: Runner): void {
  program.commandsGroup('Setup:');
  add(program, 'serve', 'the embedded local router, for trying out and tests')
    .option('--initially <place>', 'where all traffic goes while there is no routes file yet')
    .action((options: { initially?: string }, command: Command) =>
      run('serve', globalsOf(command), async (deps) => {
        const { openScope } = await import('./release/open.ts');
        const { scope, settings } = await openScope(deps, { config: 'needed' });
        return (await import('./commands/setup/serve.ts')).serveCommand(
          { scope, router: settings?.router ?? null },
          options,
          deps,
        );
      }),
    );
  add(program, 'schema <name>', 'a JSON Schema by name: release-manifest, config, output-line').action(
    (name: string, _options: object, command: Command) =>
      run('schema', globalsOf(command), async (deps) => (await import('./commands/setup/schema.ts')).schemaCommand(name, deps)),
  );
}

/** What a command without arguments does, as the parser wants it. */
function does(run: Runner, name: string, act: (options: object, deps: Deps) => Promise<Outcome>) {
  return (options: object, command: Command) => run(name, globalsOf(command), (deps) => act(options, deps));
}

function add(parent: Command, signature: string, description: string): Command {
  return everywhere(parent.command(signature).description(description));
}

/** The flags that every command has. */
function everywhere(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the config, instead of the one found from here up to the repository root')
    .option('-t, --tenant <name>', 'may be left out where there is one')
    .option('-e, --env <name>', 'the environment; always said, or KVDEPLOY_ENV')
    .option('-s, --service <name>', 'may be left out where there is one')
    .option('--state-dir <dir>', 'where ledger, pointer and hold lie, or KVDEPLOY_STATE_DIR')
    .option('--json', 'one JSON object per line on stdout; implies --no-input')
    .option('-q, --quiet', 'only results, warnings and errors')
    .option('-v, --verbose', 'every poll')
    .option('-y, --yes', 'answer yes; a protected environment still wants --confirm')
    .option('--no-input', 'never ask')
    .option('--no-color', 'no colour')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
}

function wanted(command: Command): Command {
  return command
    .option('--build <guid>', 'the build, by its GUID or at least 8 characters of it')
    .option(
      '--from <environment>',
      "this environment's build of the source that is known-good there; or a file of pointer export",
    );
}

function confirmed(command: Command): Command {
  return command.option('--confirm <environment>', 'the name of the protected environment, in place of typing it');
}

function reasoned(command: Command): Command {
  return command.option('--reason <text>', 'why, for the ledger');
}

function watched(command: Command): Command {
  return command
    .option('--until <percent>', 'stop once this step has baked; resume goes on')
    .option('--max-wait <duration>', 'leave after so long, with exit code 75; resume goes on');
}

/** Flags may stand before or after the command; what was typed last for the command itself wins, defaults never do. */
function globalsOf(command: Command): Globals {
  const chain = [];
  for (let at: Command | null = command; at !== null; at = at.parent) chain.unshift(at);
  const merged: Record<string, unknown> = {};
  for (const one of chain) {
    for (const [name, value] of Object.entries(one.opts()))
      if (one.getOptionValueSource(name) !== 'default') merged[name] = value;
  }
  return merged as Globals;
}
