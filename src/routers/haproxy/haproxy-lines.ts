/** The text of haproxy.cfg: its sections, its server lines, and what each server's line and the `default-server` lines before it say. No I/O. */

/** What the words after a server's address, and of `default-server`, say about how HAProxy reaches it. */
export interface Words {
  readonly ssl: boolean;
  /** Undefined where no `verify` is written: HAProxy then verifies, unless `ssl-server-verify none` stands in `global`. */
  readonly verify: string | undefined;
  /** As it is written, an expression: `str(gateway.internal)`. */
  readonly sni: string | undefined;
  readonly verifyhost: string | undefined;
  readonly caFile: string | undefined;
  readonly proxyProtocol: 1 | 2 | undefined;
}

/** A `server` or `server-template` line of one section. */
export interface Line {
  readonly section: string;
  /** A template has its prefix with `*`. */
  readonly name: string;
  readonly address: string;
  readonly words: Words;
}

/** What `global` says of all servers. */
export interface Global {
  readonly verify: string | undefined;
  readonly caBase: string | undefined;
  /** The folder that is the root of every socket's path once HAProxy runs. */
  readonly chroot: string | undefined;
}

const NO_WORDS: Words = {
  ssl: false,
  verify: undefined,
  sni: undefined,
  verifyhost: undefined,
  caFile: undefined,
  proxyProtocol: undefined,
};

/** Every line with its words, and the backend in whose section it stands; none for any other section. */
export function* sectionLines(
  text: string,
): Generator<{ readonly section: string; readonly line: string; readonly kind: string }> {
  let section = '';
  let kind = '';
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    const [word = '', name = ''] = line.split(/\s+/);
    if (/^(?:backend|listen)$/.test(word)) [section, kind] = [name, word];
    // Sections begin in the first column by habit only; each has a keyword of its own.
    else if (SECTIONS.has(word)) [section, kind] = ['', word];
    yield { section, line, kind };
  }
}

const SECTIONS = new Set(
  'global defaults frontend resolvers peers userlist mailers cache program http-errors ring log-forward fcgi-app crt-store'.split(
    ' ',
  ),
);

/** Undefined where a name is made of variables, or quoted: what it is at run time is unknown. */
export function linesOf(text: string): readonly Line[] | undefined {
  const lines: Line[] = [];
  const named = new Map<string, Words>();
  let defaults = NO_WORDS;
  let defaultsName = '';
  let current = NO_WORDS;
  for (const { section, line, kind } of sectionLines(text)) {
    const [word = '', name = '', address = '', ...rest] = line.split(/\s+/);
    if (word === 'defaults') {
      defaultsName = name;
      current = address === 'from' ? (named.get(rest[0] ?? '') ?? NO_WORDS) : NO_WORDS;
    } else if (word === 'backend' || word === 'listen') {
      const from = address === 'from' ? named.get(rest[0] ?? '') : undefined;
      current = from ?? defaults;
    } else if (word === 'default-server') current = said(current, [name, address, ...rest]);
    else if (section !== '' && (word === 'server' || word === 'server-template')) {
      if (/["'$\\]/.test(`${name}${section}`)) return undefined;
      const isTemplate = word === 'server-template';
      const words = said(current, isTemplate ? rest.slice(1) : rest);
      lines.push({ section, name: isTemplate ? `${name}*` : name, address: isTemplate ? (rest[0] ?? '') : address, words });
    }
    if (kind === 'defaults') {
      defaults = current;
      named.set(defaultsName, current);
    }
  }
  return lines;
}

/** What `global` says of all servers. */
export function globalOf(text: string): Global {
  const own = [...sectionLines(text)].filter(({ kind }) => kind === 'global').map(({ line }) => line.split(/\s+/));
  const value = (word: string) => own.findLast(([first]) => first === word)?.[1];
  return { verify: value('ssl-server-verify'), caBase: value('ca-base'), chroot: value('chroot') };
}

/** Words with the value that follows them. */
const WITH_VALUE = new Map<string, 'verify' | 'sni' | 'verifyhost' | 'caFile'>([
  ['verify', 'verify'],
  ['sni', 'sni'],
  ['verifyhost', 'verifyhost'],
  ['ca-file', 'caFile'],
]);

const SEND_PROXY = /^(no-)?send-proxy(-v2(?:-ssl(?:-cn)?)?)?$/;

/** The words before, changed by these. */
function said(before: Words, words: readonly string[]): Words {
  const now: { -readonly [Key in keyof Words]: Words[Key] } = { ...before };
  for (const [at, word] of words.entries()) {
    const key = WITH_VALUE.get(word);
    const [isProxy, no, version2] = SEND_PROXY.exec(word) ?? [];
    if (key !== undefined) now[key] = words[at + 1];
    else if (word === 'ssl' || word === 'no-ssl') now.ssl = word === 'ssl';
    else if (isProxy !== undefined) now.proxyProtocol = no !== undefined ? undefined : version2 === undefined ? 1 : 2;
  }
  return now;
}

/** The name of a server by which this line stands for it: a template has its names from a prefix. */
export function finder(lines: readonly Line[]): (server: string) => Line | undefined {
  const plain = new Map(lines.filter(({ name }) => !name.endsWith('*')).map((line) => [line.name, line]));
  const templates = lines.filter(({ name }) => name.endsWith('*'));
  return (server) =>
    plain.get(server) ??
    templates.find(({ name }) => server.startsWith(name.slice(0, -1)) && /^\d+$/.test(server.slice(name.length - 1)));
}
