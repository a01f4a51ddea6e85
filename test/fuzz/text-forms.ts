/** Data as people's texts of YAML or JSON, then damaged as texts get damaged. Must stay repeatable by seed. */
import { stringify } from 'yaml';
import { editedText, hostileText } from './hostile.ts';
import type { Luck } from './luck.ts';

/** What YAML can do and a file of ours must not, and what breaks lines. */
const TRICKS: readonly string[] = [
  '&a ',
  '*a',
  '!!str ',
  '<<: ',
  '? ',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '|\n  ',
  '>-\n  ',
  '# x\n',
  '\t',
  '  ',
  '\r\n',
  '"',
  "'",
  '{',
  '[',
  ']',
  '}',
  ',',
  ': ',
  '- ',
  '\ufeff',
  '"a": 1, "a": 2,',
  '[[[[[[[[[[[[[[[[[[',
  'builds: []\n',
  'environment: staging\n',
  '"environment":"staging",',
  '"__proto__":{"polluted":true},',
  '\\u0065nvironment',
];

/** Bytes are kept as one character each, so that the input is plain data. */
export function textOf(luck: Luck, value: unknown, name: string): { readonly file: string; readonly bytes: string } {
  const kind = luck.pick(['yaml', 'json', 'json-in-yaml']);
  const plain = kind === 'yaml' ? yamlOf(luck, value) : (JSON.stringify(value, null, luck.pick([0, 2])) ?? 'null');
  const file = `${name}.${kind === 'json' ? 'json' : 'yaml'}`;
  const damaged = luck.chance(0.5) ? damagedText(luck, plain) : plain;
  const bytes = Buffer.from(damaged).toString('latin1');
  return { file, bytes: luck.chance(0.02) ? Buffer.from(editedText(luck, bytes), 'latin1').toString('latin1') : bytes };
}

function yamlOf(luck: Luck, value: unknown): string {
  try {
    return stringify(value, {
      lineWidth: luck.pick([0, 30, 80]),
      aliasDuplicateObjects: luck.chance(0.2),
      indentSeq: luck.chance(0.5),
    });
  } catch {
    // Some odd values have no YAML form; JSON is YAML as well.
    return JSON.stringify(value);
  }
}

/** One to three damages: a trick in the middle, a line twice, gone or moved, a character changed. */
export function damagedText(luck: Luck, text: string): string {
  let now = text;
  for (let left = 1 + luck.below(3); left > 0; left -= 1) {
    const lines = now.split('\n');
    const line = luck.below(lines.length);
    const where = luck.below(now.length + 1);
    switch (luck.below(6)) {
      case 0:
        now = now.slice(0, where) + luck.pick(TRICKS) + now.slice(where);
        break;
      case 1:
        now = lines.toSpliced(line, 0, lines[line] ?? '').join('\n');
        break;
      case 2:
        now = lines.toSpliced(line, 1).join('\n');
        break;
      case 3:
        now = lines.with(line, luck.pick(TRICKS) + (lines[line] ?? '')).join('\n');
        break;
      case 4:
        now = now.slice(0, where) + hostileText(luck) + now.slice(where);
        break;
      default:
        now = editedText(luck, now);
    }
  }
  return now;
}
