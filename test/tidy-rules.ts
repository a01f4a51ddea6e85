/** The rules of the house as functions from one source file to its faults. A crude scanner, not a parser: sound for our own style. */

export interface Source {
  /** From the repository's root: `src/core/rollout/split.ts`. */
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

/** The specifiers of every import or re-export of types, `import('…')` in a type among them. */
export function typeImports(text: string): readonly string[] {
  const plain = text.replace(new RegExp(COMMENT, 'g'), blank);
  const fixed = [...plain.matchAll(/^(?:import|export)\s+(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm)];
  const inTypes = [...plain.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)];
  return [...new Set([...fixed.map((found) => found[2] ?? ''), ...inTypes.map((found) => found[1] ?? '')])];
}

/** The first folder or file name under src/: `core`, `main`. */
function roomOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** The arrows of docs/architecture.md: a room may import, types included, what it can reach over one or several of them. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  main: ['cli', 'io'],
  cli: ['commands', 'version'],
  commands: ['lead', 'config', 'terminal', 'serve', 'scenarios', 'explain', 'backtest'],
  lead: ['release'],
  release: ['engine', 'config'],
  engine: ['core', 'base', 'io', 'routers', 'metrics', 'stores'],
  config: ['routers', 'metrics', 'stores'],
  routers: ['core', 'base', 'io'],
  metrics: ['core', 'io', 'routers'],
  stores: ['core', 'base', 'io'],
  terminal: ['core', 'io', 'version'],
  serve: ['core', 'base', 'routers', 'version'],
  scenarios: ['core', 'base', 'serve', 'routers', 'version'],
  explain: ['core'],
  backtest: ['core'],
  'break-glass': ['base'],
  io: ['base'],
  core: ['base'],
  base: [],
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

/** Where only some files of a room may be imported at run time. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  // Of base, core may run only what is pure.
  'core base': ['codes', 'scope', 'text', 'shape'],
  // A plan in the ledger names kinds; the registries turn them into a router and a source. What a router reads is by location.
  'engine routers': ['index', 'places'],
  'engine metrics': ['index'],
  // The embedded router follows the very file that the local router writes, and has the members that its config names.
  'serve routers': ['local/local-config', 'local/local-routes'],
  // The files that a person writes before the first adoption are written by the code that writes them later.
  'scenarios routers': ['local/local-routes', 'nginx/nginx-config', 'nginx/nginx-include'],
};

/** Folder-joined target of a relative import: `src/core/rollout/split.ts`. */
function targetOf(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const PURE_BUILTINS = ['node:crypto', 'node:path', 'node:url', 'node:util'];
const IMPURE_ROOMS = ['main', 'io', 'base', 'break-glass', 'serve', 'scenarios'];

/** Each fixed package has one home. */
const HOMES: Readonly<Record<string, RegExp>> = {
  commander: /^src\/cli\.ts$/,
  '@commander-js/extra-typings': /^src\/cli\.ts$/,
  cosmiconfig: /^src\/config\//,
  yaml: /^src\/config\//,
  execa: /^src\/io\.ts$/,
  chalk: /^src\/terminal\/colour\.ts$/,
  ora: /^src\/terminal\/live\.ts$/,
  'string-width': /^src\/terminal\/layout\.ts$/,
  'fast-wrap-ansi': /^src\/terminal\/layout\.ts$/,
  '@inquirer/prompts': /^src\/terminal\/ask[a-z-]*\.ts$/,
  'http-proxy-3': /^src\/serve\//,
  zod: /^src\/(?!base\/|break-glass\/|terminal\/)/,
};

function ownImport(path: string, specifier: string, isValue: boolean): string | undefined {
  const target = targetOf(path, specifier);
  const [from, to] = [roomOf(path), roomOf(target)];
  // The scenarios are data of the repository that is bundled in.
  if (from === 'scenarios' && /^fixtures\/scenarios\/[^/]+\.json$/.test(target)) return undefined;
  if (from === to) return undefined;
  if (!reachable(from).has(to)) return `${from} must not import ${to} (${specifier})`;
  if (!isValue) return undefined;
  if (to === 'io' && from !== 'main') return `${from} must be given an Io, not import it`;
  const part = target.split('/').slice(2).join('/').replace(/\.ts$/, '');
  const parts = PARTS[`${from} ${to}`];
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

const importDirections: Rule = ({ path, text }) => {
  const values = valueImports(text);
  const types = typeImports(text).filter((specifier) => specifier.startsWith('.') && !values.includes(specifier));
  return [
    ...types.flatMap((specifier) => ownImport(path, specifier, false) ?? []),
    ...values.flatMap((specifier) => {
      if (specifier.startsWith('.')) return ownImport(path, specifier, true) ?? [];
      if (specifier.startsWith('node:')) return builtinImport(path, specifier) ?? [];
      return packageImport(path, specifier) ?? [];
    }),
  ];
};

/** Every circle of imports among the sources, types included, each as its files in order. */
export function importCircles(sources: readonly Source[]): readonly string[] {
  const imports = new Map(
    sources.map(({ path, text }) => [
      path,
      [...valueImports(text), ...typeImports(text)].filter((one) => one.startsWith('.')).map((one) => targetOf(path, one)),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) circles.push([...trail.slice(at), path].join(' → '));
    if (at !== -1 || done.has(path)) return;
    for (const next of new Set(imports.get(path))) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) walk(path, []);
  return circles;
}

/** Folders with more files than a reader takes in at a glance. */
export function crowdedFolders(sources: readonly Source[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { path } of sources) {
    const folder = path.split('/').slice(0, -1).join('/');
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > MOST_FILES).map(([folder, count]) => `${folder}: ${count} files`);
}

const MOST_FILES = 15;
const MOST_LINES = 400;
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
  ['io', 'base', 'break-glass', 'serve', 'scenarios'],
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

/** One place switches certificate checks off, where the config says so of a member; and only `main` and `doctor` name the variable that would: to refuse it. */
const certificates: Rule = ({ path, text }) => {
  const code = text
    .replace(new RegExp(COMMENT, 'g'), blank)
    .replace(path === 'src/base/dial/dial.ts' ? 'rejectUnauthorized: !insecure,' : '', '');
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

/** Whatever of the text is a comment, with the number of its first line. */
function commentsOf(text: string): readonly (readonly [number, string])[] {
  return [...text.matchAll(new RegExp(NOT_CODE))]
    .filter(([found]) => /^\/[/*]/.test(found))
    .map((found) => [text.slice(0, found.index).split('\n').length, found[0]]);
}

/** A comment that sends its reader to a number or a document that is not in the repository: it must say the reason itself. */
export const noOutsideReferences: Rule = ({ text }) =>
  commentsOf(text).flatMap(([line, comment]) => {
    const found = /\bR[0-9]{1,2}\b|\b(?:DESIGN|CONTRACT|REQUIREMENTS|FORMATS)\b(?:\.md)?/.exec(comment);
    return found === null ? [] : [`line ${line}: ${found[0]} is not in the repository`];
  });

const CONTINUES = new Set(
  (
    'of in with for when from and but that by at to also even which is are has on as where who without under after before ' +
    'or nor while until if whose was were have had be may can could would will does do did not never than into through between once'
  ).split(' '),
);
const FEWEST_WORDS = 4;

/** The title of every test that is written where the test is declared, as it stands in the source, with its line. */
export function testTitles(text: string): readonly (readonly [number, string])[] {
  const code = codeOf(text);
  const literal = new RegExp(`\\s*(${STRING}|${TEMPLATE})`, 'y');
  return [...code.matchAll(/(?<![.\w])(?:it|test)(?:\.\w+)*(?:<[^(]*>)?\(/g)].flatMap(({ index, 0: call }) => {
    // Behind a table comes the call with the title, which is blank in `code`.
    const titled = /\.(?:each|for)\b/.test(call) ? /\)\s*\((?=\s)/g : /\(/g;
    titled.lastIndex = index + call.length - 1;
    titled.exec(code);
    literal.lastIndex = titled.lastIndex;
    const title = literal.exec(text)?.[1];
    return title === undefined ? [] : [[text.slice(0, index).split('\n').length, title.slice(1, -1)]];
  });
}

/** A title that goes on with its `describe`, or says too little: a report may show it alone. Each placeholder is a word. */
export const wholeTitles: Rule = ({ text }) =>
  testTitles(text).flatMap(([line, title]) => {
    const words = title
      .replace(/\$\{[^}]*\}/g, '%s')
      .trim()
      .split(/\s+/);
    const isWhole = words.length >= FEWEST_WORDS && !CONTINUES.has(words[0] ?? '');
    return isWhole ? [] : [`line ${line}: "${title}" does not read alone`];
  });

/** Words that are not plain English, or that have a usual name: fix, rolled back, no one, less often, cluster, blamed slice. */
const UNPLAIN =
  /\bmend(?:s|ed|ing)?\b|\bnobody\b|\bt(?:ake|akes|aken|aking|ook)(?: it)? back\b|\boftener\b|\bseldomer\b|culprit|clump/gi;

/** Configs and ledgers of 0.1.0 say `clumps`; it is read as `clusters`. */
const READ_AS_CLUSTERS = ['src/config/schema.ts'];

/** Any of those words in code, comments or pages. */
export const plainWords: Rule = ({ path, text }) =>
  text
    .split('\n')
    .flatMap((line, index) =>
      [...line.matchAll(UNPLAIN)]
        .filter(([word]) => word !== 'clump' || !READ_AS_CLUSTERS.includes(path))
        .map(([word]) => `line ${index + 1}: not the word ${word}`),
    );
