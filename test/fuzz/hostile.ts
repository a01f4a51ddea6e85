/** Bad input: values and texts that break readers, and small changes that make good input bad. Must stay repeatable by seed. */
import type { Luck } from './luck.ts';

/** What can move, hide, reorder or fake text on a terminal, and what ends or begins things elsewhere. */
const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u001b]52;c;aGk=\u0007',
  '\u001b]8;;http://x\u001b\\y',
  '\u001b[2J\u001b[1;1H',
  '\u009b31m',
  '\u0090q\u009c',
  'good\rbad',
  'a\nb',
  'a\tb',
  '\u0000',
  '\u007f\b\b\b',
  '\u202egpj.exe',
  '\u2066x\u2069',
  '\u061c',
  '\u200b\u200d\ufeff',
  '\u034f\u115f\u3164\uffa0',
  '\u{e0041}\u{e007f}',
  '\ufe0f\u{e0100}',
  '\u2028\u2029',
  '\ud800',
  '\udfff\ud83d',
  '\u{1d173}\u00ad',
  'pr\u043eduction',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '../../etc/passwd',
  '%0A::error::x',
  '::error::x',
  "'; rm -rf /; '",
  '$(id)`id`',
  '-',
  '~',
  'null',
  'NaN',
  '0x29',
  '1e3',
  'y'.repeat(300),
  '\u{1f600}'.repeat(80),
];

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.1,
  1e-7,
  100.004,
  2 ** 31,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  JSON.parse('{"__proto__":{"polluted":true}}'),
  { constructor: { prototype: { polluted: true } } },
];

const HOSTILE_KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'extra',
  '',
  '0',
  'guid',
  '\u001b[31m',
];

export function hostileText(luck: Luck): string {
  if (luck.chance(0.8)) return luck.pick(HOSTILE_TEXTS);
  return Array.from({ length: luck.below(20) }, () => String.fromCharCode(luck.below(luck.chance(0.5) ? 0xff : 0xffff))).join('');
}

export function hostileValue(luck: Luck): unknown {
  return luck.chance(0.5) ? hostileText(luck) : structuredClone(luck.pick(HOSTILE_VALUES));
}

/** A GUID in one of the spellings of RFC 9562, or in one that only looks like it. */
export function respelled(luck: Luck, guid: string): string {
  const ways: readonly ((plain: string) => string)[] = [
    (plain) => plain,
    (plain) => plain.toUpperCase(),
    (plain) => `{${plain}}`,
    (plain) => `{${plain.toUpperCase()}}`,
    (plain) => `urn:uuid:${plain}`,
    (plain) => `URN:uuid:${plain.toUpperCase()}`,
    (plain) => plain.replace(/[a-f]/, (digit) => digit.toUpperCase()),
  ];
  const odd: readonly ((plain: string) => string)[] = [
    (plain) => ` ${plain}`,
    (plain) => `${plain}\n`,
    (plain) => plain.replaceAll('-', ''),
    (plain) => `urn:uuid:{${plain}}`,
    (plain) => plain.replace(/e/, '\u0435'),
    (plain) => plain.replace('-', '\u2010'),
    (plain) => plain.slice(0, -1),
  ];
  return luck.pick(luck.chance(0.9) ? ways : odd)(guid);
}

/** The same value with a few small changes anywhere in it; unchanged with a probability of about a third. */
export function mutated(luck: Luck, value: unknown): unknown {
  if (luck.chance(0.3)) return value;
  const whole = { root: structuredClone(value) };
  for (let left = 1 + luck.below(3); left > 0; left -= 1) mutateOnce(luck, whole);
  return whole.root;
}

type Holder = Record<string | number, unknown>;

function mutateOnce(luck: Luck, whole: { root: unknown }): void {
  const places = placesIn(whole as unknown as Holder);
  const { holder, key } = luck.pick(places);
  const now = holder[key];
  const act = luck.below(8);
  if (act === 0) set(holder, key, hostileValue(luck));
  else if (act === 1) remove(holder, key);
  else if (act === 2 && isHolder(now)) set(now, Array.isArray(now) ? now.length : luck.pick(HOSTILE_KEYS), hostileValue(luck));
  else if (act === 3) set(holder, key, structuredClone(at(luck.pick(places))));
  else if (act === 4 && Array.isArray(holder)) holder.push(structuredClone(now));
  else if (act === 5 && Array.isArray(now)) now.reverse();
  else if (act === 6) set(holder, key, [now]);
  else set(holder, key, nudged(luck, now));
}

function at({ holder, key }: { readonly holder: Holder; readonly key: string | number }): unknown {
  return holder[key];
}

function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null;
}

/** An own key in any case: `holder.__proto__ = …` would change the prototype of the input instead. */
function set(holder: Holder, key: string | number, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

function remove(holder: Holder, key: string | number): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else if (key !== 'root') delete holder[key];
}

function placesIn(root: Holder): { readonly holder: Holder; readonly key: string | number }[] {
  const found: { holder: Holder; key: string | number }[] = [];
  const walk = (holder: Holder): void => {
    for (const key of Object.keys(holder)) {
      found.push({ holder, key: Array.isArray(holder) ? Number(key) : key });
      const inner = Object.getOwnPropertyDescriptor(holder, key)?.value;
      if (isHolder(inner)) walk(inner);
    }
  };
  walk(root);
  return found;
}

function nudged(luck: Luck, value: unknown): unknown {
  if (typeof value === 'number') return luck.pick([value + 1, value - 1, -value, value / 2, value * 1000, String(value)]);
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return hostileValue(luck);
  return editedText(luck, value);
}

/** One character more, less, doubled, of other case, or a hostile text in the middle. */
export function editedText(luck: Luck, text: string): string {
  const where = luck.below(text.length + 1);
  const [before, after] = [text.slice(0, where), text.slice(where)];
  switch (luck.below(6)) {
    case 0:
      return before + hostileText(luck) + after;
    case 1:
      return before + after.slice(1 + luck.below(3));
    case 2:
      return before + after.slice(0, 5) + after;
    case 3:
      return before + (after[0] === after[0]?.toUpperCase() ? after.toLowerCase() : after.toUpperCase());
    case 4:
      return after + before;
    default:
      return before + String.fromCharCode(luck.below(0x100)) + after.slice(1);
  }
}
