/** Decides what a stream can show: colour and Unicode. Must look at nothing but what it is given. */
import { Chalk } from 'chalk';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What `--color`, `--no-color` asked for. */
export type ColourFlag = 'always' | 'never' | undefined;

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

/**
 * 1 when a stream gets colour, 0 when it gets no escape byte: the flag, then a non-empty NO_COLOR (https://no-color.org),
 * then FORCE_COLOR or CLICOLOR_FORCE, then TERM=dumb, then whether this very stream is a terminal.
 */
export function colourLevel(env: Environment, streamIsTty: boolean, flag?: ColourFlag): 0 | 1 {
  if (flag !== undefined) return flag === 'always' ? 1 : 0;
  if (isSet(env['NO_COLOR'])) return 0;
  const forced = [env['FORCE_COLOR'], env['CLICOLOR_FORCE']].filter(isSet);
  if (forced.some((value) => value !== '0' && value !== 'false')) return 1;
  if (forced.length > 0 || env['TERM'] === 'dumb') return 0;
  return streamIsTty ? 1 : 0;
}

/** True when the locale says UTF-8; the first of LC_ALL, LC_CTYPE and LANG that is set decides, as in POSIX. */
export function speaksUnicode(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(isSet) ?? '';
  return /utf-?8/i.test(locale);
}

/** How one stream shows things: unchanged text where there is no colour. Nothing is said by colour alone. */
export type Paint = ReturnType<typeof createPaint>;

export function createPaint(colour: boolean, unicode: boolean) {
  const { green, red, yellow, dim, bold } = new Chalk({ level: colour ? 1 : 0 });
  const symbols = { yes: green(unicode ? '✔' : 'ok'), no: red(unicode ? '✖' : 'x'), unsure: yellow('?') };
  return { bad: red, warn: yellow, dim, strong: bold, ...symbols };
}
