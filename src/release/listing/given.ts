/** What `builds add` was given on its command line, as the fields of a row. Throws USAGE, naming the option; guesses nothing. */
import { createHash } from 'node:crypto';
import { withFile } from '../../base/durable/open-file.ts';
import type { Scope } from '../../base/scope.ts';
import { typedPath } from '../../config/files.ts';
import { KvdeployError } from '../../core/errors.ts';
import { derived } from '../../core/manifest/build-guid.ts';
import { type Build, LABEL_NAME, listedBuildSchema } from '../../core/manifest/manifest.ts';
import { parseGuid } from '../../core/scope.ts';
import type { Deps } from '../deps.ts';

/** As typed. */
export interface AddOptions {
  readonly version?: string;
  readonly digest?: string;
  readonly file?: string;
  readonly commit?: string;
  readonly repository?: string;
  readonly ref?: string;
  /** A number, or `auto`. */
  readonly sequence?: string;
  readonly label?: readonly string[];
  readonly createdAt?: string;
  /** Take place and identity from the build that serves now. */
  readonly live?: boolean;
  /** Never typed: the GUID that the serving build says it has. */
  readonly guid?: string;
}

/** The fields that were given or follow from it; a row that is there already must have the same. */
export type Given = Omit<Build, 'sequence' | 'createdAt'> & Partial<Pick<Build, 'sequence' | 'createdAt'>>;

const WHAT = 'Give the digest of its bytes (--digest sha256:… or --file FILE), or its source (--commit C --repository R).';

const EXAMPLE =
  '--version 2026.11.21-3 --commit "$(git rev-parse HEAD)" --repository https://example.com/acme/gateway --ref green';

/** The row that the options make in this scope. */
export function givenBy(options: AddOptions, scope: Scope, deps: Deps): Given {
  const { version, ref, createdAt } = options;
  if (version === undefined)
    throw usage('--version is missing: the version of the build, shown to people.', `Such as ${EXAMPLE}`);
  if (ref === undefined) throw usage('--ref is missing: what the router calls the place where it runs.', `Such as ${EXAMPLE}`);
  const source = sourceOf(options);
  const digest = digestOf(options, deps);
  if (digest === undefined && source === undefined) {
    if (options.guid !== undefined) throw usage(`The build that serves says its GUID alone, ${options.guid}.`, WHAT);
    throw usage('Nothing says what was built, so there is nothing to derive a GUID from.', WHAT);
  }
  const { sequence, labels } = { sequence: sequenceOf(options.sequence), labels: labelsOf(options.label ?? []) };
  const guid = options.guid === undefined ? undefined : parseGuid(options.guid);
  return {
    ...derived({ digest, source }, scope),
    ...(guid === undefined ? {} : { guid }),
    version: checked('version', version),
    ...(sequence === undefined ? {} : { sequence }),
    ...(createdAt === undefined ? {} : { createdAt: checked('createdAt', createdAt) }),
    ref: checked('ref', ref),
    environment: scope.environment,
    ...(source === undefined ? {} : { source }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function usage(message: string, hint: string): KvdeployError {
  return new KvdeployError('USAGE', { message, hint });
}

const FIX = {
  version: 'At most 128 characters in one line, such as --version 2026.11.21-3',
  ref: 'A server, a place of the config, a Service, such as --ref green',
  createdAt: 'A time with its zone, such as --created-at 2026-11-21T09:12:00Z',
} as const;

/** A value as the manifest's schema takes it. */
function checked(field: keyof typeof FIX, value: string): string {
  const result = listedBuildSchema.shape[field].safeParse(value);
  if (result.success) return value;
  const option = field === 'createdAt' ? '--created-at' : `--${field}`;
  throw usage(`${option} ${JSON.stringify(value)}: ${result.error.issues[0]?.message ?? 'not allowed'}.`, FIX[field]);
}

function sourceOf({ commit, repository }: AddOptions): Build['source'] | undefined {
  if (commit === undefined && repository === undefined) return undefined;
  const both = 'Give both, such as --commit "$(git rev-parse HEAD)" --repository https://example.com/acme/gateway';
  if (commit === undefined) throw usage('--repository needs --commit.', both);
  if (repository === undefined) throw usage('--commit needs --repository: two repositories may have the same commit id.', both);
  // Variables of CI may hold a token, and manifests are committed. So what is refused here is not shown either.
  if (hasSecret(repository)) {
    const hint = 'Give the address alone, such as https://example.com/acme/gateway (in GitLab, $CI_PROJECT_URL).';
    throw usage('--repository has a user or a password in it, and a manifest is no place for one.', hint);
  }
  const result = listedBuildSchema.shape.source.safeParse({ repository, commit });
  if (result.success) return { repository, commit };
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'not allowed' };
  if (path[0] === 'commit')
    throw usage(`--commit ${JSON.stringify(commit)}: ${message}.`, 'Give the whole id: git rev-parse HEAD');
  throw usage(`--repository ${JSON.stringify(repository)}: ${message}.`, both);
}

/** A host, perhaps with a port, and nothing that could hide a user in front of it. */
const HOST = /^(?:[\p{L}\p{N}._~-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/iu;

const URL = /^([a-z][a-z0-9+.-]*):[/\\]+([^/?#\\]*)/i;

/** As in git@github.com:acme/gateway. A user of SSH is no secret: keys are. */
const SSH_USER = /^[\w.~-]+@(?=[^@/:]+:)/;

/** Whether an address of a repository has a user of HTTP, a password or a token in it. What cannot be told counts as one. */
function hasSecret(repository: string): boolean {
  if (/[?#&;][^=]*(?:token|secret|passw|pwd|key|auth|sig)[^=]*=/i.test(repository)) return true;
  const [, scheme = '', authority = ''] = URL.exec(repository) ?? [];
  if (scheme !== '') return !HOST.test(scheme.endsWith('ssh') ? authority.replace(/^[\w.~-]+@/, '') : authority);
  return /^[^/]*@|:.*@/.test(repository.replace(SSH_USER, ''));
}

function digestOf({ digest, file }: AddOptions, { cwd, io }: Deps): string | undefined {
  if (digest !== undefined && file !== undefined) throw usage('--digest and --file are both given.', 'Give one of them.');
  if (file !== undefined) return digestOfFile(typedPath(cwd, file, '--file'), file, io.fs);
  if (digest === undefined || listedBuildSchema.shape.digest.safeParse(digest).success) return digest;
  const hex = /(?:^|sha256:)([0-9a-f]{64})$/i.exec(digest)?.[1]?.toLowerCase();
  const hint =
    hex === undefined
      ? 'Such as --digest sha256:9f86…0a08; of a file, --file FILE derives it.'
      : `Write it as --digest sha256:${hex}`;
  throw usage(`--digest ${JSON.stringify(digest)}: a digest is sha256: and 64 lower-case hex digits.`, hint);
}

const CHUNK_BYTES = 1024 * 1024;

/** Reads it piece by piece: an artefact may be larger than memory. */
function digestOfFile(path: string, typed: string, fs: Deps['io']['fs']): string {
  try {
    return withFile(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK, fs, (fd) => {
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) throw new Error('it is not a regular file');
      // Every empty file has the same digest, and so the GUID of every other build that failed.
      if (stat.size === 0) throw new Error('it is empty');
      const [hash, chunk] = [createHash('sha256'), Buffer.alloc(CHUNK_BYTES)];
      for (let count = 1; count > 0; ) {
        count = fs.readSync(fd, chunk, 0, chunk.length, null);
        hash.update(chunk.subarray(0, count));
      }
      return `sha256:${hash.digest('hex')}`;
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usage(
      `--file ${typed === '' ? '""' : typed} cannot be read: ${why}.`,
      'Give the one file that is deployed, such as an archive.',
    );
  }
}

function sequenceOf(typed: string | undefined): number | undefined {
  if (typed === undefined || typed === 'auto') return undefined;
  if (/^\d{1,15}$/.test(typed)) return Number(typed);
  throw usage(
    `--sequence ${JSON.stringify(typed)}: a whole number, or auto.`,
    'auto is one more than the highest of this scope.',
  );
}

function labelsOf(typed: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (typed.length === 0) return undefined;
  const pairs = typed.map((text) => {
    const at = text.indexOf('=');
    if (at === -1) throw usage(`--label ${JSON.stringify(text)}: it has no =.`, 'Such as --label release=2026-11');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const twice = pairs.find(([name], index) => pairs.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) throw usage(`--label ${twice[0]} is given twice.`, 'Give it once.');
  const odd = pairs.find(([name]) => !LABEL_NAME.test(name));
  if (odd !== undefined) {
    throw usage(
      `--label ${JSON.stringify(odd[0])}: a name has letters, digits and _ only, and no digit first.`,
      'Such as --label release=2026-11',
    );
  }
  const labels = Object.fromEntries(pairs);
  const result = listedBuildSchema.shape.labels.safeParse(labels);
  if (result.success) return labels;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'not allowed' };
  throw usage(
    `--label ${path.join('.')}: ${message}.`,
    'A value has 1 to 256 characters in one line; a build has at most 32 labels.',
  );
}
