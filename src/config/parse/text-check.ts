/** Bytes to text, or findings: size, UTF-8, byte order mark, control characters. Must not repair anything. */
import type { Finding } from '../../core/errors.ts';
import { findingAt, findingWithoutText, type SourceText, sourceText, type Trouble } from './source.ts';

/** Larger configs are refused unread, */
export const MAX_CONFIG_BYTES = 256 * 1024;

/** and larger manifests: ten thousand builds, the most that one may list, have less than 4 MiB. */
export const MAX_BYTES = 4 * 1024 * 1024;

/** Controls except tab and line ends, line separators, bidi controls, byte order marks, code points that are not characters. */
const FORBIDDEN = /(?!\t|\n|\r\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}\ufeff]/gu;

/** At most this many forbidden characters of one file are shown. */
const MOST_FORBIDDEN = 10;

/** What is wrong with a file of `bytes` bytes. */
export function tooLarge(bytes: number, most: number): Trouble {
  return {
    code: 'TOO_LARGE',
    message: `The file has ${bytes.toLocaleString('en')} bytes; the limit is ${most.toLocaleString('en')}.`,
    fix: 'Remove builds that can no longer be promoted, or check that this is the right file.',
  };
}

export function checkText(
  file: string,
  bytes: Uint8Array,
): { readonly source?: SourceText; readonly findings: readonly Finding[] } {
  if (bytes.length > MAX_BYTES) return { findings: [findingWithoutText(file, tooLarge(bytes.length, MAX_BYTES))] };
  const mark = byteOrderMark(bytes);
  if (mark !== undefined) return { findings: [findingWithoutText(file, { code: 'NOT_TEXT', ...mark })] };
  const text = decode(bytes);
  if (text === undefined) return { findings: [invalidUtf8(file, bytes)] };
  const source = sourceText(file, text);
  const findings: Finding[] = [];
  for (const match of text.matchAll(FORBIDDEN)) {
    if (findings.length === MOST_FORBIDDEN) break;
    findings.push(forbiddenCharacter(source, match.index, match[0]));
  }
  return findings.length > 0 ? { findings } : { source, findings };
}

function byteOrderMark(bytes: Uint8Array): { message: string; fix: string } | undefined {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) {
    return {
      message: 'The file begins with a byte order mark (U+FEFF).',
      fix: "Save it as UTF-8 without BOM: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE",
    };
  }
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return { message: 'The file is UTF-16, not UTF-8.', fix: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE' };
  }
  return undefined;
}

function decode(bytes: Uint8Array, stream = false): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream });
  } catch {
    return undefined;
  }
}

function invalidUtf8(file: string, bytes: Uint8Array): Finding {
  // The longest prefix that decodes, found by bisecting; streaming accepts an incomplete character at its end.
  let good = 0;
  let bad = bytes.length;
  while (good < bad) {
    const middle = Math.ceil((good + bad) / 2);
    if (decode(bytes.subarray(0, middle), true) !== undefined) good = middle;
    else bad = middle - 1;
  }
  const before = decode(bytes.subarray(0, good), true) ?? '';
  const { lineStarts } = sourceText(file, before);
  const shown = (bytes[good] ?? bytes[bytes.length - 1] ?? 0).toString(16).padStart(2, '0');
  return {
    ...findingWithoutText(file, {
      code: 'NOT_TEXT',
      message: `The file is not UTF-8: byte 0x${shown} at offset ${good} is invalid.`,
      fix: 'Save it as UTF-8, for example: iconv -f ISO-8859-1 -t UTF-8 FILE',
    }),
    line: lineStarts.length,
    column: before.length - (lineStarts.at(-1) ?? 0) + 1,
  };
}

function forbiddenCharacter(source: SourceText, offset: number, char: string): Finding {
  const point = `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  const span = { from: offset, to: offset + char.length };
  return findingAt(source, span, {
    code: 'NOT_TEXT',
    message: `The character ${point} is not allowed: it is invisible, or hides or reorders text.`,
    fix: 'Remove it, or write it as an escape inside a string.',
  });
}
