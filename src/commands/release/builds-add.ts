/** `builds add`: writes a build into its scope's manifest under a GUID that is derived, never invented. Moves no traffic, needs no state. */
import { canonical } from '../../base/shape.ts';
import { newManifest, type Row, withRef, withRow } from '../../config/edit/rows.ts';
import { sameWord, wordFor } from '../../core/admission/named.ts';
import { KvdeployError } from '../../core/errors.ts';
import { type Is, identityAt, isOf } from '../../core/identity.ts';
import { type Build, type ListedBuild, placeOf } from '../../core/manifest/manifest.ts';
import { didYouMean } from '../../core/nearest.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { type AddOptions, type Given, givenBy } from '../../release/listing/given.ts';
import { liveOptions } from '../../release/listing/live.ts';
import { type Listing, openListing } from '../../release/listing/open-listing.ts';
import { type Before, type Edited, rewrite } from '../../release/listing/rewrite.ts';
import { openRouter } from '../../routers/index.ts';

/** What became of the row. */
interface Added {
  readonly change: 'added' | 'unchanged' | 'moved';
  readonly build: Build;
  readonly from?: string;
}

/**
 * Adds the row, moves it to another place, or finds it as it should be. Throws BUILD_DIFFERS for a row of this GUID that says anything
 * else, USAGE for an option, and what `rewrite` throws; then nothing is written.
 */
export async function addBuild(options: AddOptions, deps: Deps): Promise<Outcome> {
  const listing = await openListing(deps);
  const whole = options.live === true ? await liveOptions(options, deps) : options;
  const given = givenBy(whole, listing.scope, deps);
  assertPlace(given.ref, listing);
  warnOfShort(given.source?.commit, deps);
  const added = await rewrite(listing, (before) => edited(before, given, listing, deps), deps);
  return told(added, listing, deps);
}

/** SHA-1 and SHA-256, in hex. */
const WHOLE_COMMIT = [40, 64];

/** The same commit in another length is another name, and so another GUID. */
function warnOfShort(commit: string | undefined, deps: Deps): void {
  if (commit === undefined || WHOLE_COMMIT.includes(commit.length)) return;
  const message = `--commit ${commit} is abbreviated; given whole, it is another build with another GUID. Give the whole id: git rev-parse HEAD`;
  deps.line({ type: 'note', level: 'warning', message });
}

/** Where the config names the places, a row at any other could never be promoted. Throws UNKNOWN_NAME. */
function assertPlace(ref: string, { settings, config, scope }: Listing): void {
  if (settings?.router == null) return;
  const { router, config: written } = openRouter({ ...settings.router });
  const places = Object.keys(router.placeSettings(written) ?? (written as { readonly addresses?: object }).addresses ?? {});
  if (places.length === 0 || places.includes(ref)) return;
  throw new KvdeployError('UNKNOWN_NAME', {
    message: `--ref ${ref}: the config names no such place of ${scopeText(scope)}.${didYouMean(ref, places)}`,
    hint: `Known: ${places.join(', ')}; a new place is added to the router in ${config.file} first.`,
  });
}

/**
 * Where builds say their commit, digest, version or a label, a row without it could never be recognized, and one more row with that of
 * another build would make both unclear, the one that serves included. Throws USAGE and IDENTITY_UNCLEAR.
 */
function assertToldApart(build: Build, { builds }: Before, { settings, scope, flags }: Listing): void {
  const identity = identityAt(settings?.identity ?? null, settings?.router, build.ref);
  if (identity === null || identity === 'none' || isOf(identity) === 'guid') return;
  const is = isOf(identity);
  const word = is === 'digest' && build.digestOf === 'source' ? undefined : wordFor(build, is);
  const builtAs = `Builds of ${scopeText(scope)} say their ${is} (identity: is)`;
  if (word === undefined)
    throw new KvdeployError('USAGE', {
      message: `${builtAs}; this row would have none, so what runs could not be recognized.`,
      hint: `Give it: ${optionFor(is)}`,
    });
  const [other] = sameWord(build, is, scope, builds);
  if (other === undefined) return;
  const { guid } = other.build;
  throw new KvdeployError('IDENTITY_UNCLEAR', {
    message: `${builtAs}, and ${shortGuid(guid)} is listed with the same ${is} ${word}: what runs could be either. Nothing was written.`,
    hint: `Let builds say their GUID or digest (docs/identity.md). If the listed row is wrong, take it out first: kvdeploy builds remove ${flags} --build ${guid}`,
    places: builds.filter((row) => row.build.guid === guid).map((row) => placeOf(row)),
  });
}

function optionFor(is: Is): string {
  if (is === 'commit') return '--commit "$(git rev-parse HEAD)" --repository https://example.com/acme/gateway';
  if (is.startsWith('label.')) return `--label ${is.slice('label.'.length)}=…`;
  return '--digest sha256:… or --file FILE';
}

function told({ change, build, from }: Added, { shown }: Listing, deps: Deps): Outcome {
  const { guid, version, ref, sequence, digest, digestOf } = build;
  const of = digestOf === undefined ? {} : { digestOf };
  const moved = from === undefined ? {} : { from };
  deps.line({ type: 'row', change, file: shown, build: { guid, version, ref, sequence, digest, ...of }, ...moved });
  const words = {
    added: `Added ${version} to ${shown} as sequence ${sequence}, at ${ref}.`,
    unchanged: `unchanged: ${shown} has ${version} already, as sequence ${sequence}, at ${ref}.`,
    moved: `Moved ${version} in ${shown} from ${from} to ${ref}.`,
  };
  // A script reads the GUID from stdout, so there is nothing else on it.
  deps.print(guid);
  if (deps.globals.json === true) return done(words[change]);
  deps.line({ type: 'note', level: 'info', message: words[change] });
  return done('');
}

function edited(before: Before, given: Given, listing: Listing, deps: Deps): Edited<Added> {
  const builds = before.builds.map(({ build }) => build);
  const index = builds.findIndex(({ guid }) => guid === given.guid);
  const listed = before.builds[index];
  if (listed === undefined) {
    const build = rowOf(given, builds, deps);
    assertToldApart(build, before, listing);
    return { result: { change: 'added', build }, text: withNew(before, build, listing), builds: [...builds, build] };
  }
  const differing = differences(listed.build, given);
  if (differing.length > 0) throw differs(listed, given, differing, listing);
  const { ref } = listed.build;
  if (ref === given.ref || before.manifest === null)
    return { result: { change: 'unchanged', build: listed.build }, text: null, builds };
  const build = { ...listed.build, ref: given.ref };
  assertToldApart(build, before, listing);
  const text = withRef(before.manifest, index, given.ref) ?? before.text;
  return { result: { change: 'moved', build, from: ref }, text, builds: builds.with(index, build) };
}

/** Where the text has no list that could take a row, it stays as it is, for `validate` to say so. */
function withNew({ manifest, json, text }: Before, build: Build, { scope }: Listing): string {
  const row: Row = { ...build };
  return manifest === null ? newManifest(scope, row, json, text) : (withRow(manifest, row) ?? text);
}

/** The keys in the order in which a manifest has them. */
function rowOf(given: Given, builds: readonly Build[], { io }: Deps): Build {
  const { guid, version, digest, digestOf, sequence, createdAt, ...rest } = given;
  const highest = builds.reduce((most, build) => Math.max(most, build.sequence), 0);
  return {
    ...{ guid, version, digest },
    ...(digestOf === undefined ? {} : { digestOf }),
    sequence: sequence ?? highest + 1,
    createdAt: createdAt ?? new Date(io.now()).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    ...rest,
  };
}

/** The keys that the row has otherwise than they were given. Its place may change, and a row written by hand may have no stamp. */
function differences(build: Build, given: Given): readonly (keyof Given)[] {
  const keys = (Object.keys(given) as (keyof Given)[]).filter((key) => key !== 'ref' && key !== 'environment');
  return keys.filter((key) => canonical([build[key]]) !== canonical([given[key]]));
}

function differs(listed: ListedBuild, given: Given, keys: readonly (keyof Given)[], { flags }: Listing): KvdeployError {
  const words = (value: unknown) =>
    value === undefined ? 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const each = keys.map((key) => `${key} is ${words(listed.build[key])}, not ${words(given[key])}`);
  return new KvdeployError('BUILD_DIFFERS', {
    message: `Build ${shortGuid(given.guid)} is listed already, and differs: ${each.join('; ')}. Nothing was written.`,
    hint: `Other bytes have another digest. If the row is wrong, take it out first: kvdeploy builds remove ${flags} --build ${given.guid}`,
    places: [placeOf(listed)],
  });
}
