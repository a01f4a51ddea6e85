/** The output of break-glass: messages on stderr, the result on stdout, JSON lines with --json. Must never send an escape byte. */
import { EXIT_OF } from '../base/codes.ts';
import type { Scope } from '../base/scope.ts';
import { safeJson, safeLine } from '../base/text.ts';
import type { RescueCode } from './refusal.ts';

/** The lines of `--json` that break-glass prints; a test checks them against the schema of every command's lines. */
type Line =
  | { readonly type: 'version'; readonly kvdeploy: string; readonly schema: string }
  | { readonly type: 'note'; readonly level: 'info' | 'warning'; readonly message: string }
  | { readonly type: 'document'; readonly name: string; readonly data: unknown }
  | ({ readonly type: 'result'; readonly command: 'rollback' } & Readonly<Record<string, unknown>>);

declare const KVDEPLOY_VERSION: string | undefined;

export interface Streams {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

export interface Ending {
  readonly code: RescueCode | null;
  readonly message: string;
  readonly hint: string | null;
  readonly scope: Scope | null;
  /** The build that serves all traffic, if that was read back; null if traffic is unchanged or unknown. */
  readonly serving: { readonly guid: string; readonly place: string } | null;
  /** The last line of every failure: where traffic goes. */
  readonly traffic: string;
  readonly next: readonly string[];
}

/** Everything that a run prints goes through this. */
export class Voice {
  readonly #streams: Streams;
  readonly #json: boolean;
  readonly #quiet: boolean;

  constructor(streams: Streams, options: { readonly json: boolean; readonly quiet: boolean }) {
    this.#streams = streams;
    this.#json = options.json;
    this.#quiet = options.quiet;
    const kvdeploy = typeof KVDEPLOY_VERSION === 'string' ? KVDEPLOY_VERSION : '0.0.0-source';
    this.#line({ type: 'version', kvdeploy, schema: 'kvdeploy.dev/output/v2' });
  }

  /** One line for people, on stderr. Control characters become visible. */
  say(line = ''): void {
    this.#streams.stderr.write(`${safeLine(line)}\n`);
  }

  /** A shell command, already quoted: it contains no control character except newline and tab. */
  command(command: string): void {
    this.#streams.stderr.write(`    ${command}\n`);
  }

  progress(line: string): void {
    if (!this.#quiet) this.say(line);
    this.#line({ type: 'note', level: 'info', message: safeLine(line) });
  }

  warn(line: string): void {
    this.say(`! ${line}`);
    this.#line({ type: 'note', level: 'warning', message: safeLine(line) });
  }

  document(data: unknown, name: 'break-glass' | 'rehearsal' = 'break-glass'): void {
    this.#line({ type: 'document', name, data });
  }

  /** Prints the result, and returns the exit code. */
  end(ending: Ending): number {
    const exitCode = ending.code === null ? 0 : EXIT_OF[ending.code];
    if (ending.code === null) {
      if (this.#json) this.say(ending.message);
      else this.#streams.stdout.write(`${safeLine(ending.message)}\n`);
    } else {
      this.say(`✖ ${ending.code}  ${ending.message}`);
      if (ending.hint !== null) this.say(`  try      ${ending.hint}`);
    }
    for (const command of ending.next) this.say(`  next     ${command}`);
    if (ending.code !== null) this.say(`  traffic  ${ending.traffic}`);
    this.#line(resultLine(ending, exitCode));
    return exitCode;
  }

  #line(line: Line): void {
    if (this.#json) this.#streams.stdout.write(`${safeJson(line)}\n`);
  }
}

function resultLine(ending: Ending, exitCode: number): Line {
  const { serving } = ending;
  return {
    type: 'result',
    command: 'rollback',
    ok: ending.code === null,
    code: ending.code,
    exitCode,
    message: safeLine(ending.message),
    hint: ending.hint,
    scope: ending.scope,
    traffic:
      serving === null
        ? { split: [], certainty: 'unknown' }
        : { split: [{ build: serving.guid, place: serving.place, percent: 100 }], certainty: 'configured' },
    places: [],
    next: [...ending.next],
  };
}
