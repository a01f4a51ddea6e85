/** `builds add`: writes a build into its scope's manifest under a GUID that is derived, never invented. Moves no traffic, needs no state. */
import { canonical } from '../../base/shape.ts';
import { newManifest, type Row, withRef, withRow } from '../../config/edit/rows.ts';
import { KvdeployError } from '../../core/errors.ts';
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
  const added = await rewrite(listing, (before) => edited(before, given, listing, deps), deps);
  return told(added, listing, deps);
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
    return { result: { change: 'added', build }, text: withNew(before, build, listing), builds: [...builds, build] };
  }
  const differing = differences(listed.build, given);
  if (differing.length > 0) throw differs(listed, given, differing, listing);
  const { ref } = listed.build;
  if (ref === given.ref || before.manifest === null)
    return { result: { change: 'unchanged', build: listed.build }, text: null, builds };
  const build = { ...listed.build, ref: given.ref };
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
