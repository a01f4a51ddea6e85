/** Changes in words: a line for people, and a shell command that does the same by hand. Must not run anything. */

/** As in core/text.ts: control, format, unassigned and ignorable code points; here tab and line feed, too. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

const UNQUOTABLE = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** Makes control, bidirectional and zero-width characters visible, so that foreign text cannot drive a terminal (CWE-150). */
export function visible(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}}`);
}

/** A value as JSON on one line, without any unsafe character. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (char) =>
    char.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/** Quotes one word for a POSIX shell; words with control characters other than newline and tab need bash or zsh. */
export function shellWord(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  if (!UNQUOTABLE.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const bytes = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `$'${bytes.join('')}'`;
}
