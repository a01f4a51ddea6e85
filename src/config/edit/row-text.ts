/** Values of a manifest's row as YAML. Whatever another parser could read as a number, a date or a truth is in quotes. */

/** Begins with a letter, and has nothing that means something in YAML. */
const WORD = /^[A-Za-z](?:[\w./@+:-]*[\w/])?$/;

const MEANS_SOMETHING = /^(?:true|false|yes|no|on|off|null|nan|inf|y|n)$/i;

/** Texts that begin with a digit and are no number in any YAML: a GUID, a time, a version of three parts, a commit with a letter. */
const NUMBERED = [
  /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/,
  /^\d+\.\d+\.\d+(?:[-+.][A-Za-z0-9.-]*[A-Za-z0-9])?$/,
  /^(?!0b)(?=.*[a-df])[0-9a-f]{7,64}$/,
];

/** A text or a number; in double quotes unless it is plain to every parser. */
export function scalarText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const plain = (WORD.test(value) && !MEANS_SOMETHING.test(value)) || NUMBERED.some((pattern) => pattern.test(value));
  return plain ? value : JSON.stringify(value);
}

/** A value in one line: `{ repository: https://…, commit: 3f2a… }`. */
export function flowText(value: unknown): string {
  if (value === null || typeof value !== 'object') return scalarText(value);
  const parts = Object.entries(value).map(([key, inner]) => `${scalarText(key)}: ${flowText(inner)}`);
  return `{ ${parts.join(', ')} }`;
}
