/**
 * Reports output lines to people (lines or a live view) or machines (JSON lines). Everything that a command says goes through here;
 * only prompts (ask.ts), the repaint of `status --watch` (live.ts) and main's stack of a bug do not.
 */
import { safeJson, safeText } from '../base/text.ts';
import type { OutputLine } from '../core/output.ts';
import { version } from '../version.ts';
import { type ColourFlag, colourLevel, createPaint, type Environment, speaksUnicode } from './colour.ts';
import { columnsOf, fitted } from './layout.ts';
import { checkText, noteText, phaseText, pollText, resultText, startedText, stillText, trafficLineText } from './lines.ts';
import { createPainter, type Painter } from './live.ts';
import { type Clock, createLog } from './log.ts';
import { fold, type Progress } from './progress.ts';
import { view } from './view.ts';

export interface Report {
  /** Tells one thing that happened, or the result. */
  line(line: OutputLine): void;
  /** A command's own text on stdout; nothing with `--json`, where its `document` line says it. Line feeds are kept, escapes are not. */
  print(text: string): void;
  /** As `print`, but as it is, for text that is painted already and safe in its parts. */
  write(text: string, to: 'stdout' | 'stderr'): void;
  /** Ends a live view. Must be called on every way out; a second call does nothing. */
  close(): void;
}

interface Form {
  readonly json: boolean;
  /** Only results, warnings and failures. */
  readonly quiet: boolean;
  /** Every poll, not only a heartbeat. */
  readonly verbose: boolean;
}

export interface ReportOptions extends Form {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Each stream has its own, as only one of them may be a terminal. */
  readonly colour: { readonly stdout: boolean; readonly stderr: boolean };
  /** True when stderr is a terminal on which a live view can be painted. */
  readonly tty: boolean;
  readonly unicode: boolean;
  readonly clock: Clock;
}

const SCHEMA = 'kvdeploy.dev/output/v2';

function createJsonReport({ stdout }: ReportOptions): Report {
  const line = (line: OutputLine) => void stdout.write(`${safeJson(line)}\n`);
  line({ type: 'version', kvdeploy: version, schema: SCHEMA });
  return { line, print: () => {}, write: () => {}, close: () => {} };
}

/** Lines that belong on the live view, so that the terminal's history keeps only what matters. */
function isOnView(line: OutputLine): boolean {
  if (line.type === 'phase') return line.phase === 'shifting' || line.phase === 'converging';
  return line.type === 'poll' || line.type === 'traffic';
}

function createPeopleReport(options: ReportOptions): Report {
  const { stdout, stderr, unicode } = options;
  const paint = { stdout: createPaint(options.colour.stdout, unicode), stderr: createPaint(options.colour.stderr, unicode) };
  const log = createLog(stderr, options.clock, paint.stderr.dim);
  const live = options.tty && !options.quiet;
  let progress: Progress | undefined;
  let painter: Painter | undefined;

  const tell = (line: OutputLine) => {
    const started = progress?.started;
    switch (line.type) {
      case 'check':
        return log.say(checkText(line, paint.stderr));
      case 'note':
        return log.sayOnce(noteText(line, paint.stderr));
      case 'started':
        return log.stamped(startedText(line));
      case 'phase':
        return log.stamped(phaseText(line, started, paint.stderr));
      case 'traffic':
        return log.stamped(trafficLineText(line, started));
      case 'poll':
        return options.verbose || log.isDue(line) ? log.stamped(pollText(line, started, paint.stderr)) : undefined;
      case 'version':
      case 'document':
      case 'row':
      case 'result':
        return undefined;
    }
  };
  const isTold = (line: OutputLine) => {
    if (options.quiet) return line.type === 'note' ? line.level === 'warning' : line.type === 'check' && line.ok === false;
    return !live || painter === undefined || options.verbose || !isOnView(line);
  };
  const close = () => {
    log.stop();
    painter?.stop();
    painter = undefined;
  };
  const end = (line: Extract<OutputLine, { type: 'result' }>) => {
    close();
    const stream = line.ok ? stdout : stderr;
    const lines = resultText(line, line.ok ? paint.stdout : paint.stderr, progress !== undefined, columnsOf(stream));
    for (const text of lines) stream.write(`${text}\n`);
  };

  return {
    line(line) {
      if (line.type === 'result') return end(line);
      progress = fold(progress, line);
      if (isTold(line)) tell(line);
      if (progress === undefined) return;
      // In a pipe nothing moves by itself.
      if (!live && !options.quiet) log.keepAlive((nowMs) => (progress === undefined ? '' : stillText(progress, nowMs)));
      if (!live) return;
      painter ??= createPainter(stderr as NodeJS.WriteStream, { colour: options.colour.stderr, unicode });
      painter.show(view(progress, columnsOf(stderr) ?? 80, unicode));
    },
    print: (text) => void stdout.write(`${fitted(safeText(text), columnsOf(stdout))}\n`),
    write: (text, to) => void options[to].write(text),
    close,
  };
}

/** A report of the wanted kind; a JSON report begins with its version line at once. */
export function createReport(options: ReportOptions): Report {
  return options.json ? createJsonReport(options) : createPeopleReport(options);
}

/** The options of a report for these streams and this environment. */
export function reportOptions(
  wish: Form & { readonly colour: ColourFlag },
  streams: { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream },
  env: Environment,
  clock: Clock,
): ReportOptions {
  const { stdout, stderr } = streams;
  const isCi = (env['CI'] ?? '') !== '' && env['CI'] !== 'false';
  return {
    ...wish,
    stdout,
    stderr,
    colour: {
      stdout: colourLevel(env, stdout.isTTY === true, wish.colour) === 1,
      stderr: colourLevel(env, stderr.isTTY === true, wish.colour) === 1,
    },
    tty: stderr.isTTY === true && !isCi && env['TERM'] !== 'dumb',
    unicode: speaksUnicode(env),
    clock,
  };
}
