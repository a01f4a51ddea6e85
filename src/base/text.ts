/** Text from elsewhere made safe for a terminal (CWE-150), or quoted for a shell: nothing moves, hides or reorders text. No I/O. */

/**
 * Everything but tab and line feed that Unicode calls a control, format, surrogate, private or unassigned code point, a line or
 * paragraph separator, or ignorable by default: C0, C1, escape, bidi controls, zero-width characters, tags, byte order marks.
 */
const UNSAFE = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The same text with every unsafe character as `\u{1b}`. Keeps tabs and line feeds. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A value as JSON on one line, the same to any reader of JSON, without unsafe characters. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (char) => char.replace(/[\s\S]/g, escaped));
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** As `safeText`, and on one line: tabs become spaces and line feeds visible. For everything inside a sentence. */
export function safeLine(text: string): string {
  return safeText(text).replaceAll('\t', ' ').replaceAll('\n', '\\n');
}

const UNQUOTABLE = new RegExp(UNSAFE.source, 'u');

/** Quotes one word for a POSIX shell; words with control characters other than newline and tab need bash or zsh. */
export function shellWord(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  if (!UNQUOTABLE.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const bytes = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `$'${bytes.join('')}'`;
}

/** A shell command that prints exactly this text, on one line itself: a message that is shown on one line must be right when it is pasted. */
export function printing(text: string): string {
  if (!text.includes('\n')) return `printf '%s' ${shellWord(text)}`;
  return `printf '%b' ${shellWord(text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n'))}`;
}

/** The first of these, and how many more there are: what no one reads to the end hides the rest. */
export function firstOf(all: readonly string[], count = 20): readonly string[] {
  return all.length <= count ? all : [...all.slice(0, count), `and ${all.length - count} more`];
}

/** The maximum length of a socket path without its NUL (unix(7)). Node silently cuts off a longer one, which names another socket. */
export const SOCKET_PATH_BYTES = 107;
