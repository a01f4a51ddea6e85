/** Asks an HTTP server or a program, and finds what it says. Must change nothing, and must not take nonsense for words. */
import { picked } from '../shape.ts';
import { safeLine } from '../text.ts';
import { type Asked, elsewhereFor, type HttpAnswer, type Outside, type RunAnswer, type Told } from './change.ts';
import { textAt } from './json-path.ts';
import { addressedTo, prepare } from './prepare.ts';

/** Where something is said: in a header, or at a path of keys in JSON. */
export interface Where {
  readonly header?: string;
  readonly json?: readonly string[];
}

export function whereText({ header, json }: Where): string {
  return header ?? json?.join('.') ?? 'what it printed';
}

export interface Heard {
  /** Who was asked. */
  readonly from: string;
  /** What came, as a verb: `answered 200`. */
  readonly answered: string;
  readonly redirect: boolean;
  /** It says that all is well: a status below 300, or an exit code of 0. */
  readonly well: boolean;
  /** What is said there; undefined where nothing is. */
  said(where: Where): string | undefined;
  /** The beginning of what was said, on one line and without the secret that went along. */
  show(text: string): string;
}

const SHOWN_CHARS = 80;

const shown = (text: string) => safeLine(text.slice(0, SHOWN_CHARS));

const always = () => undefined;

/** Rejects if there is no complete answer within `timeoutMs`. */
export async function hearHttp(asked: Asked, outside: Outside, timeoutMs = asked.timeoutMs): Promise<Heard> {
  const { answer, hide } = await answerTo(asked, outside, timeoutMs);
  const { status } = answer;
  return {
    from: addressedTo(asked),
    answered: `answered ${status}`,
    redirect: status >= 300 && status < 400,
    well: status < 300,
    said: (where) => saidIn(answer, where),
    show: (text) => shown(hide(text)),
  };
}

/** The answer, where its location is: a secret is looked up there too, and never sent to another host. */
async function answerTo(asked: Asked, outside: Outside, timeoutMs: number) {
  const there = elsewhereFor(asked, outside);
  if (there === undefined) {
    const { asking, hide } = await prepare(asked, outside, timeoutMs);
    return { answer: await outside.http(asking, always), hide };
  }
  const sent = picked(asked, 'kind', 'url', 'ca', 'serverName', 'secret', 'insecure', 'host', 'unixSocket', 'proxyProtocol');
  const answer = await there.ask({ do: 'hear', asked: { ...sent, timeoutMs: Math.max(1, Math.floor(timeoutMs)) } });
  return { answer, hide: (text: string) => text };
}

/** Runs a program that only looks, where its location is. Rejects if it cannot be run, or does not end within its `timeoutMs`. */
export function runTold(told: Told, outside: Pick<Outside, 'run' | 'elsewhere'>): Promise<RunAnswer> {
  const { argv, stdin, timeoutMs } = told;
  const there = elsewhereFor(told, outside);
  if (there === undefined) return outside.run(argv, timeoutMs, always, stdin);
  return there.ask({ do: 'run', argv, timeoutMs, ...(stdin === undefined ? {} : { stdin }) });
}

/** Rejects if the program cannot be run, fails, or does not end within its `timeoutMs`. */
export async function hearProgram(told: Told, outside: Outside): Promise<Heard> {
  const { argv } = told;
  const { exitCode, stdout, stderr } = await runTold(told, outside);
  const from = safeLine(argv.join(' '));
  if (exitCode !== 0) throw new Error(`${from} exited with ${exitCode}: ${stderr.trim().slice(0, 200)}`);
  return {
    from,
    answered: 'ended well',
    redirect: false,
    well: true,
    said: ({ json }) => (json === undefined ? printed(stdout) : saidAt(stdout, json)),
    show: shown,
  };
}

/** One line, and nothing else. */
function printed(text: string): string | undefined {
  const line = text.trim();
  return line === '' || /[\r\n]/.test(line) ? undefined : line;
}

function saidIn({ headers, body }: HttpAnswer, { header, json }: Where): string | undefined {
  return header === undefined ? saidAt(body, json) : once(headers[header.toLowerCase()]);
}

/** A header that is sent twice, with the same value, says it once. */
function once(value: string | undefined): string | undefined {
  const parts = new Set(value?.split(',').map((part) => part.trim()));
  const [only] = parts;
  return parts.size === 1 ? only : value;
}

function saidAt(text: string, json: readonly string[] | undefined): string | undefined {
  try {
    return textAt(text, json ?? []);
  } catch {
    // Not JSON: it does not say.
    return undefined;
  }
}
