/** Which build is meant by what a running one says of itself: its GUID, or the digest, commit, version or label of a row. No I/O. */
import type { Scope } from '../../base/scope.ts';
import type { Is } from '../identity.ts';
import type { Build } from '../manifest/manifest.ts';
import { type Guid, sameScope, scopeText, shortGuid } from '../scope.ts';

/** What a build answered when it was asked directly. */
export type Answer =
  | {
      readonly guid: Guid | null;
      /** What it said in place of a GUID, where the config has it say something else. */
      readonly named?: Named;
      readonly environment: string | null;
      /** Where the config says that a build reports its environment, and this one did not. */
      readonly unsaid?: string;
      readonly said: string;
    }
  | { readonly unreachable: string }
  /** Not asked: the router reports it down, so that it serves no one. */
  | { readonly down: string }
  /** Not asked: the config says that no build is. */
  | { readonly unasked: string };

export interface Named {
  readonly is: Exclude<Is, 'guid'>;
  readonly word: string | null;
}

/** What of a build can be said by it. */
export type NamedBuild = Pick<Build, 'guid'> & {
  readonly [Key in 'digest' | 'version' | 'source' | 'labels']?: Build[Key] | undefined;
};

/** A build of a manifest or a ledger, and where it belongs. */
export interface NamedRow {
  readonly scope: Scope;
  readonly build: NamedBuild;
  readonly file?: string;
  readonly line?: number;
}

/** Which build the members of a place are, all of them together. */
export type Which =
  | { readonly is: 'one'; readonly guid: Guid }
  /** `code` where it is known why it can be none of this scope's: a foreign build, or several rows that it could be. */
  | { readonly is: 'none'; readonly why: string; readonly code?: 'FOREIGN_BUILD' | 'IDENTITY_UNCLEAR' | undefined };

/** What tells which build is meant: the rows of every manifest that could be read, and those that the ledger knows. */
export interface Known {
  readonly rows: readonly NamedRow[];
  readonly scope: Scope;
  readonly isProtected: boolean;
}

/** What this build says where it is asked for `is`; undefined where its row does not have it. */
export function wordFor({ guid, digest, version, source, labels }: NamedBuild, is: Is): string | undefined {
  switch (is) {
    case 'guid':
      return guid;
    case 'digest':
      return digest;
    case 'commit':
      return source?.commit;
    case 'version':
      return version;
    default: {
      const name = is.slice('label.'.length);
      return labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
    }
  }
}

/** The rows that say exactly this, each build once. */
function rowsSaying(word: string, is: Is, rows: readonly NamedRow[]): readonly NamedRow[] {
  return eachOnce(rows.filter(({ build }) => wordFor(build, is) === word));
}

function eachOnce(found: readonly NamedRow[]): readonly NamedRow[] {
  return found.filter(({ build }, index) => found.findIndex((row) => row.build.guid === build.guid) === index);
}

/** The other builds of one scope that are called so; an abbreviated commit may be any that it begins. */
export function sameWord(build: NamedBuild, is: Is, scope: Scope, rows: readonly NamedRow[]): readonly NamedRow[] {
  const word = wordFor(build, is);
  const isSame = (other: string | undefined) =>
    word !== undefined &&
    other !== undefined &&
    (word === other || (is === 'commit' && (word.startsWith(other) || other.startsWith(word))));
  const own = rows.filter(
    (row) => sameScope(row.scope, scope) && row.build.guid !== build.guid && isSame(wordFor(row.build, is)),
  );
  return eachOnce(own);
}

/** The build that one answer names. A GUID names itself; anything else exactly one row of this scope. */
export function resolved(answer: Answer, { rows, scope }: Pick<Known, 'rows' | 'scope'>): Which {
  if (!('guid' in answer)) return { is: 'none', why: 'it does not answer' };
  const { guid, named } = answer;
  if (named === undefined) return guid === null ? { is: 'none', why: answer.said } : { is: 'one', guid };
  if (named.word === null) return { is: 'none', why: answer.said };
  const what = `the ${named.is} ${named.word}`;
  const found = rowsSaying(named.word, named.is, rows);
  const own = found.filter((row) => sameScope(row.scope, scope));
  const [only, ...more] = own;
  if (only !== undefined && more.length === 0) return { is: 'one', guid: only.build.guid };
  if (only !== undefined)
    return { is: 'none', code: 'IDENTITY_UNCLEAR', why: `${what} is that of ${own.length} builds: ${rowTexts(own)}` };
  if (found.length > 0) return { is: 'none', code: 'FOREIGN_BUILD', why: `${what} is that of ${rowTexts(found)} alone` };
  return { is: 'none', why: `no row of ${scopeText(scope)} has ${what}` };
}

/** Whose this answer is, in words; undefined where no row that is known has it. Its own scope's row comes first. */
export function belongsTo(answer: Answer, rows: readonly NamedRow[], scope: Scope): string | undefined {
  if (!('guid' in answer)) return undefined;
  const { guid, named } = answer;
  const word = named === undefined ? guid : named.word;
  const found = word === null ? [] : rowsSaying(word, named?.is ?? 'guid', rows);
  const own = found.filter((row) => sameScope(row.scope, scope));
  const shown = own.length > 0 ? own : found;
  return shown.length === 0 ? undefined : rowTexts(shown);
}

const rowTexts = (rows: readonly NamedRow[]) =>
  rows.map(({ build, scope }) => rowText(build.guid, build.version, scope)).join(' and ');

function rowText(guid: Guid, version: string | undefined, scope: Scope): string {
  return `${shortGuid(guid)}${version === undefined ? '' : ` (${version})`} of ${scopeText(scope)}`;
}
