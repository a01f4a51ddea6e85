/** What break-glass says: words on stderr, the result on stdout, JSON lines where asked. Must send no escape byte, ever. */
import type { Scope } from '../base/scope.ts';
import { safeJson, safeLine } from '../base/text.ts';
import { EXIT_CODES, type RescueCode } from './refusal.ts';

/** The lines of `--json` that break-glass says; a test holds them against the schema of every command's lines. */
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
  /** The build that serves everything as far as was read back; null when traffic is unchanged or not known. */
  readonly serving: { readonly guid: string; readonly place: string } | null;
  /** The last line of every failure: where traffic is. */
  readonly traffic: string;
  readonly next: readonly string[];
}

/** The one mouth of a run. */
export class Voice {
  readonly #streams: Streams;
  readonly #json: boolean;
  readonly #quiet: boolean;

  constructor(streams: Streams, options: { readonly json: boolean; readonly quiet: boolean }) {
    this.#streams = streams;
    this.#json = options.json;
    this.#quiet = options.quiet;
    const kvdeploy = typeof KVDEPLOY_VERSION === 'string' ? KVDEPLOY_VERSION : '0.0.0-source';
    this.#line({ type: 'version', kvdeploy, schema: 'kvdeploy.dev/output/v1' });
  }

  /** One line for people, on stderr. Control characters become visible. */
  say(line = ''): void {
    this.#streams.stderr.write(`${safeLine(line)}\n`);
  }

  /** A shell command, already quoted so that it holds no control character but newline and tab. */
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

  /** The last thing said. Returns the exit code. */
  end(ending: Ending): number {
    const exitCode = ending.code === null ? 0 : EXIT_CODES[ending.code];
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
