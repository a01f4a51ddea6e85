/** The rules of the house as functions from one source file to its faults. A crude scanner, not a parser: sound for our own style. */

export interface Source {
  /** From the repository's root: `src/core/split.ts`. */
  readonly path: string;
  readonly text: string;
}

export type Rule = (source: Source) => readonly string[];

const STRING = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/.source;
const TEMPLATE = /`(?:[^`\\]|\\.)*`/.source;
const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/.source;
/** A regular expression can only stand where a value can begin. */
const REGEXP = /(?<=[=(,:!&|?;{}[\n]\s*|return\s+)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/.source;
const NOT_CODE = new RegExp(`${COMMENT}|${STRING}|${TEMPLATE}|${REGEXP}`, 'g');

const blank = (text: string) => text.replace(/[^\n]/g, ' ');

/** The text with comments, strings and regular expressions blanked; templates keep what they compute. Lines keep their numbers. */
export function codeOf(text: string): string {
  return text.replace(NOT_CODE, (found) => (found.startsWith('`') ? templateCode(found) : blank(found)));
}

function templateCode(template: string): string {
  return template.replace(/\$\{([^}]*)\}|[\s\S]/g, (found) => (found.length > 1 ? codeOf(found) : blank(found)));
}

/** The specifiers of every import or re-export that is there at run time, dynamic ones too. */
export function valueImports(text: string): readonly string[] {
  const plain = text.replace(new RegExp(COMMENT, 'g'), blank);
  const fixed = [...plain.matchAll(/^(?:import|export)\s+(?!type\s)(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm)];
  const isOnlyTypes = (names: string | undefined) =>
    names !== undefined && /^\{(?:\s*type\s+[^,}]+,?)+\s*\}$/.test(names.replace(/^export\s*/, '').trim());
  const dynamic = [...plain.matchAll(/(?<!typeof )\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)];
  return [
    ...fixed.filter((found) => !isOnlyTypes(found[1])).map((found) => found[2] ?? ''),
    ...dynamic.map((found) => found[1] ?? ''),
  ];
}

/** The first folder or file name under src/: `core`, `main`. */
function roomOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** DESIGN.md 3, arrow by arrow. What can be reached over several arrows may be imported directly. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  main: ['cli', 'io'],
  cli: ['commands'],
  commands: ['engine', 'config', 'serve', 'demo', 'replay', 'terminal', 'io'],
  engine: ['core', 'break-glass', 'routers', 'metrics'],
  config: ['routers', 'metrics', 'stores'],
  routers: ['core', 'break-glass'],
  metrics: ['core'],
  stores: ['core', 'break-glass'],
  serve: ['core', 'break-glass', 'routers', 'version'],
  demo: ['core', 'serve', 'routers', 'version'],
  replay: ['core', 'demo', 'routers'],
  terminal: ['core', 'version'],
  io: ['core', 'break-glass'],
  'break-glass': [],
  core: [],
  version: [],
};

function reachable(room: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const next of ARROWS[room] ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachable(next, seen);
  }
  return seen;
}

/** The parts of break-glass that others build on; its own command line is not among them. */
const SHARED_BREAK_GLASS = [
  'changes',
  'checks',
  'pointer',
  'hold',
  'records',
  'places',
  'open-file',
  'durable-file',
  'state-dir',
  'state-marks',
  'wording',
];

/** Where only some files of a room may be imported: everything below `break-glass`, and what has no arrow in DESIGN.md. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  'io break-glass': [...SHARED_BREAK_GLASS, 'outside', 'program', 'process-identity'],
  'serve break-glass': ['changes', 'outside'],
  // A plan in the ledger names kinds; the registries turn them into a router and a source.
  'engine routers': ['index'],
  'engine metrics': ['index'],
  // The embedded router follows the very file that the local router writes.
  'serve routers': ['local-routes'],
  'demo routers': ['local-routes'],
  // A replay plays in the demo's world, with a cast of its own.
  'replay demo': ['world', 'backend', 'load', 'program', 'builds'],
  'replay routers': ['local-routes'],
};

function partsOf(from: string, to: string): readonly string[] | undefined {
  return PARTS[`${from} ${to}`] ?? (to === 'break-glass' ? SHARED_BREAK_GLASS : undefined);
}

/** Folder-joined target of a relative import: `src/core/split.ts`. */
function targetOf(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const PURE_BUILTINS = ['node:crypto', 'node:path', 'node:url', 'node:util'];
const IMPURE_ROOMS = ['main', 'io', 'break-glass', 'serve', 'demo', 'replay'];

/** Each fixed package has one home. */
const HOMES: Readonly<Record<string, RegExp>> = {
  commander: /^src\/cli\.ts$/,
  '@commander-js/extra-typings': /^src\/cli\.ts$/,
  cosmiconfig: /^src\/config\//,
  yaml: /^src\/config\//,
  execa: /^src\/io\.ts$/,
  chalk: /^src\/terminal\/report[a-z-]*\.ts$/,
  ora: /^src\/terminal\/report[a-z-]*\.ts$/,
  '@inquirer/prompts': /^src\/terminal\/ask[a-z-]*\.ts$/,
  'http-proxy-3': /^src\/serve\//,
  zod: /^src\/(?!break-glass\/|terminal\/)/,
};

function ownImport(path: string, specifier: string): string | undefined {
  const target = targetOf(path, specifier);
  const [from, to] = [roomOf(path), roomOf(target)];
  // The incidents are data of the repository that are bundled in.
  if (from === 'replay' && /^fixtures\/incidents\/[^/]+\/scenario\.json$/.test(target)) return undefined;
  if (from === to) return undefined;
  if (!reachable(from).has(to)) return `${from} must not import ${to} (${specifier})`;
  const part = (target.split('/')[2] ?? '').replace(/\.ts$/, '');
  const parts = partsOf(from, to);
  return parts === undefined || parts.includes(part) ? undefined : `${from} must not import ${to}/${part}`;
}

function builtinImport(path: string, specifier: string): string | undefined {
  const room = roomOf(path);
  if (room === 'core') return specifier === 'node:crypto' ? undefined : `core must not import ${specifier}`;
  if (IMPURE_ROOMS.includes(room) || PURE_BUILTINS.includes(specifier)) return undefined;
  return `${specifier} is only for ${IMPURE_ROOMS.join(', ')}: ask an Io`;
}

function packageImport(path: string, specifier: string): string | undefined {
  const home = HOMES[specifier] ?? HOMES[specifier.split('/')[0] ?? ''];
  if (home === undefined) return `${specifier} has no home yet: name one`;
  return home.test(path) ? undefined : `${specifier} does not belong here`;
}

const importDirections: Rule = ({ path, text }) =>
  valueImports(text).flatMap((specifier) => {
    if (specifier.startsWith('.')) return ownImport(path, specifier) ?? [];
    if (specifier.startsWith('node:')) return builtinImport(path, specifier) ?? [];
    return packageImport(path, specifier) ?? [];
  });

const MOST_LINES = 250;
const MOST_FUNCTION_LINES = 70;

const fileLength: Rule = ({ text }) => {
  const lines = text.trimEnd().split('\n').length;
  return lines > MOST_LINES ? [`${lines} lines; at most ${MOST_LINES}`] : [];
};

const FUNCTION_START =
  /\bfunction\b.*\{$|=>\s*[({]$|^\s+(?:async\s+|get\s+|static\s+|override\s+)*(?!if\b|for\b|while\b|switch\b|catch\b)[\w#]+\(.*\{$/;
const SIGNATURE_END = /^\s*\)(?::.*)?\s*(?:=>\s*)?\{$/;

/** Begins where a line opens a function and ends at the first later line that is indented as little. */
const functionLength: Rule = ({ text }) => {
  const lines = codeOf(text).split('\n');
  const indent = (line: string) => line.length - line.trimStart().length;
  return lines.flatMap((line, index) => {
    if (!FUNCTION_START.test(line.trimEnd()) && !SIGNATURE_END.test(line)) return [];
    const after = lines.slice(index + 1).findIndex((next) => next.trim() !== '' && indent(next) <= indent(line));
    const length = after === -1 ? lines.length - index : after + 2;
    return length > MOST_FUNCTION_LINES
      ? [`line ${index + 1}: a function of ${length} lines; at most ${MOST_FUNCTION_LINES}`]
      : [];
  });
};

const opensWithDocComment: Rule = ({ text }) => (/^\/\*\*\s*\S/.test(text) ? [] : ['must open with a doc comment']);

const AVOIDED = new Set('stage pipeline job task canary manager handler context utils'.split(' '));

function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/_/g, ' ')
    .toLowerCase()
    .split(' ');
}

/** Whole words of exported names only: a local variable may follow the library that it talks to. */
const vocabulary: Rule = ({ text }) => {
  const declared = [
    ...codeOf(text).matchAll(
      /^export\s+(?:declare\s+|abstract\s+|async\s+)*(?:function\*?|const|let|class|interface|type)\s+(\w+)/gm,
    ),
  ];
  const names = declared.map((found) => found[1] ?? '');
  return names.flatMap((name) =>
    wordsOf(name)
      .filter((word) => AVOIDED.has(word))
      .map((word) => `${name}: not the word ${word}`),
  );
};

/** Faults of every line of code that has `pattern`, outside `rooms`. */
function only(rooms: readonly string[], pattern: RegExp, why: string): Rule {
  return ({ path, text }) => {
    if (rooms.includes(roomOf(path))) return [];
    const lines = codeOf(text).split('\n');
    return lines.flatMap((line, index) => (pattern.test(line) ? [`line ${index + 1}: ${pattern.exec(line)?.[0]} ${why}`] : []));
  };
}

const network: Rule = only(
  ['io', 'break-glass', 'serve', 'demo', 'replay'],
  /(?<![.\w])fetch\(|\b(?:net|http|https|tls)\.(?:connect|request|get|createServer|createConnection)\(/,
  'reaches the network without an Io',
);

const clockAndChance: Rule = only(
  IMPURE_ROOMS,
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.env\b|\bsetTimeout\b|\bperformance\.now\b/,
  'belongs to an Io',
);

/** An escape sequence written by hand: only the terminal knows whether there is one that understands it. */
const escapeBytes: Rule = ({ path, text }) => {
  if (roomOf(path) === 'terminal') return [];
  const lines = text.replace(new RegExp(COMMENT, 'g'), blank).split('\n');
  const faulty = /\\(?:u001b|x1b|u\{1b\}|033)(?!-)/i;
  return lines.flatMap((line, index) =>
    faulty.test(line) || line.includes('\u001b') ? [`line ${index + 1}: an escape byte`] : [],
  );
};

/** Node's recursive mkdir loops for ever below /proc-like folders (seen on Node 20.20). */
const recursiveMkdir: Rule = ({ text }) =>
  /\bmkdir(?:Sync)?\([^;]*\brecursive: true/.test(codeOf(text)) ? ['mkdir with recursive: true; use makeFolders'] : [];

/** Nobody switches certificate checks off, and only `main` and `doctor` name the variable that would: to refuse it (R77). */
const certificates: Rule = ({ path, text }) => {
  const code = text.replace(new RegExp(COMMENT, 'g'), blank);
  const offs = [...code.matchAll(/rejectUnauthorized(?!: true)|checkServerIdentity/g)].map(([found]) => found);
  const sets = [...code.matchAll(/NODE_TLS_REJECT_UNAUTHORIZED(?:['"]\]\s*=(?!=)|\s+=(?!=)|['"]?:)/g)].map(([found]) => found);
  return [...offs, ...sets].map((found) => `${found} in ${path}`);
};

export const SOURCE_RULES: Readonly<Record<string, Rule>> = {
  importDirections,
  fileLength,
  functionLength,
  opensWithDocComment,
  vocabulary,
  network,
  clockAndChance,
  escapeBytes,
  recursiveMkdir,
  certificates,
};

/** A test that is switched off, or that switches the others off. */
export const noSwitchedOffTests: Rule = ({ text }) =>
  codeOf(text)
    .split('\n')
    .flatMap((line, index) =>
      /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:only|skip|todo|skipIf|runIf)\b/.test(line) ? [`line ${index + 1}`] : [],
    );
