/** The manifests as commands use them. Must refuse a listing whole when any row of it is not its own. */
import type { Scope } from '../base/scope.ts';
import { shownPath } from '../config/files.ts';
import { loadManifests } from '../config/load.ts';
import { isPlaceOf } from '../config/manifests.ts';
import type { LoadedConfig } from '../config/settings.ts';
import { knownRows, type Unseen } from '../core/admission/facts.ts';
import type { Known } from '../core/admission/named.ts';
import { type Finding, KvdeployError, type Place, type Refusal } from '../core/errors.ts';
import type { Build, ListedBuild } from '../core/manifest/manifest.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { sameScope, scopeText } from '../core/scope.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';

export interface Offers {
  /** Every build of every manifest under the root. */
  readonly listed: readonly ListedBuild[];
  /** Those in the file at this scope's place, whatever scope the file declares. */
  readonly atPlace: readonly ListedBuild[];
  /** The scopes that the manifests declare. */
  readonly scopes: readonly Scope[];
  readonly environments: readonly string[];
  readonly sources: Plan['sources'];
  /** Everything that was read: the config, and the manifests of every scope. */
  readonly read: Plan['sources'];
  /** Manifests of other scopes that could not be read. */
  readonly unseen: readonly Unseen[];
  /** Why nothing of this scope's listing may be promoted: a row of it is not its own. */
  readonly listing: Refusal | undefined;
}

/** Reads every manifest once. Throws MANIFEST_INVALID when one cannot be read: it could list any GUID. */
export async function readOffers(opened: Opened, deps: Deps): Promise<Offers> {
  const { config, scope } = opened;
  if (config === null)
    throw new KvdeployError('CONFIG_MISSING', {
      message: 'There is no config.',
      hint: 'Run this where kvdeploy.config.yaml is, or give --config FILE.',
    });
  const { manifests, findings } = await loadManifests(config, config.manifestsDir, deps.io);
  const isOurs = (file: string) => isPlaceOf(file, scope, config.tenants.length > 1);
  const unreadable = findings.filter(({ kind, code, file }) => kind === 'syntax' && (code !== 'NOT_A_FILE' || isOurs(file)));
  if (unreadable.length > 0) {
    throw new KvdeployError('MANIFEST_INVALID', {
      message: `${unreadable.length} finding${unreadable.length === 1 ? '' : 's'} in the manifests. An invalid file could list any build, so nothing can be promoted.`,
      hint: 'See all findings: kvdeploy validate',
      places: unreadable.slice(0, 5).map(findingPlace),
    });
  }
  const atPlace = manifests.filter((entry) => isOurs(entry.file));
  const own = new Set([...manifests.filter((entry) => sameScope(entry.manifest, scope)), ...atPlace].map((entry) => entry.file));
  return {
    listed: manifests.flatMap((entry) => entry.builds),
    atPlace: atPlace.flatMap((entry) => entry.builds),
    scopes: manifests.map((entry) => entry.manifest),
    environments: [
      ...new Set([
        ...config.services.map((service) => service.scope.environment),
        ...manifests.map((entry) => entry.manifest.environment),
      ]),
    ],
    sources: [
      { file: config.file, sha256: config.sha256 },
      ...manifests.filter((entry) => own.has(entry.file)).map(({ file, sha256 }) => ({ file, sha256 })),
    ],
    read: [{ file: config.file, sha256: config.sha256 }, ...manifests.map(({ file, sha256 }) => ({ file, sha256 }))],
    unseen: unseenIn(findings, config, scope),
    listing: listingRefusal(findings, (file) => own.has(file) || isOurs(file), scope),
  };
}

/** What tells which build an answer means: every row that could be read, and what the ledger knows. */
export function knownBuilds(
  { history, scope, settings }: Pick<Opened, 'history' | 'scope' | 'settings'>,
  offers: Pick<Offers, 'listed'> | null,
): Known {
  const rows = knownRows({ listed: offers?.listed ?? [], history, scope });
  return { rows, scope, isProtected: settings?.protected ?? true };
}

/** The same for a command that can do without: null where there is no config, and with a warning where they cannot be read. */
export async function offersIfReadable(opened: Opened, deps: Deps): Promise<Offers | null> {
  if (opened.config === null) return null;
  try {
    return await readOffers(opened, deps);
  } catch (error) {
    if (!(error instanceof KvdeployError)) throw error;
    deps.line({ type: 'note', level: 'warning', message: `${error.message} Continuing without them.` });
    return null;
  }
}

/** What is not read below the manifest folder, or not there; without this scope's own manifest, which no build of it can do without. */
function unseenIn(findings: readonly Finding[], config: LoadedConfig, scope: Scope): readonly Unseen[] {
  const unread = findings.filter(({ code }) => code === 'NOT_A_FILE' || code === 'SCOPE_UNSEEN');
  const elsewhere = config.services.filter((service) => !service.hasManifest && !sameScope(service.scope, scope));
  const file = shownPath(config.root, config.file);
  const own = config.services.find((service) => sameScope(service.scope, scope))?.declaredAt;
  const isOwn = (at: Finding) => at.file === file && at.line === own?.line && at.column === own.column;
  return [
    ...unread
      .filter((finding) => !isOwn(finding))
      .map((finding) => ({
        why: finding.file === file ? sentence(finding) : `${finding.file}: ${sentence(finding)}`,
        fix: finding.fix,
        place: findingPlace(finding),
        expected: true,
      })),
    ...elsewhere.map((service) => ({
      why: `${scopeText(service.scope)} has manifest: none`,
      fix: 'Keep its manifest below the manifest folder.',
      expected: false,
    })),
  ];
}

const sentence = ({ message }: Finding) => message.replace(/\.$/, '');

function listingRefusal(findings: readonly Finding[], isOurs: (file: string) => boolean, scope: Scope): Refusal | undefined {
  const ours = findings
    .filter(({ code }) => code !== 'SCOPE_UNSEEN')
    .filter((finding) => isOurs(finding.file) || (finding.related ?? []).some((place) => isOurs(place.file)));
  const worst = ours.find((finding) => finding.code === 'FOREIGN_BUILD') ?? ours[0];
  if (worst === undefined) return undefined;
  return {
    code: worst.code === 'FOREIGN_BUILD' ? 'FOREIGN_BUILD' : 'MANIFESTS_DISAGREE',
    message: `The whole listing for ${scopeText(scope)} is refused: ${worst.message}`,
    hint: `${worst.fix} Until then, nothing of this listing can be promoted.`,
    places: [findingPlace(worst), ...(worst.related ?? [])],
  };
}

const findingPlace = ({ file, line, column, message }: Finding): Place => ({ file, line, column, note: message });

/** A build of the ledger with the labels that its manifest gives it today: an application may have been labelled since. */
export function withListedLabels<Known extends Build>(build: Known, { listed }: Pick<Offers, 'listed'>): Known {
  const labels = listed.find((row) => row.build.guid === build.guid)?.build.labels;
  return labels === undefined ? build : { ...build, labels };
}
