/** `builds remove` and `builds prune`: take builds out of a manifest that no one needs any more. Move no traffic; the ledger stays whole. */
import { withoutRows } from '../../config/edit/cut-rows.ts';
import { KvdeployError } from '../../core/errors.ts';
import { type Build, type ListedBuild, placeOf } from '../../core/manifest/manifest.ts';
import { type Guid, scopeText, shortGuid } from '../../core/scope.ts';
import { guidOf } from '../../release/chosen-build.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { neededBuilds } from '../../release/listing/needed.ts';
import { type Listing, openListing } from '../../release/listing/open-listing.ts';
import { type Before, type Edited, rewrite } from '../../release/listing/rewrite.ts';

/** Takes out the build that `--build` names. Throws UNLISTED_BUILD, BUILD_IN_USE, and what `neededBuilds` and `rewrite` throw. */
export async function removeBuild({ build: typed }: { readonly build?: string }, deps: Deps): Promise<Outcome> {
  const listing = await openListing(deps);
  const see = `kvdeploy builds ${listing.flags}`;
  if (typed === undefined) throw new KvdeployError('USAGE', { message: '--build is missing: the build to take out.', hint: see });
  const needed = await neededBuilds(deps);
  const removed = await rewrite(
    listing,
    (before) => {
      const listed = before.builds.map(({ build }) => build.guid);
      const guid = guidOf(typed, listed, see);
      const index = listed.indexOf(guid);
      const row = before.builds[index];
      if (row === undefined) {
        const message = `Build ${guid} is not listed for ${scopeText(listing.scope)}, so there is nothing to take out.`;
        throw new KvdeployError('UNLISTED_BUILD', { message, hint: see });
      }
      const why = needed.get(guid);
      if (why !== undefined) throw inUse(row, why, listing);
      return without(before, [index]);
    },
    deps,
  );
  return told(removed, listing, '', deps);
}

function inUse(row: ListedBuild, why: string, { flags }: Listing): KvdeployError {
  return new KvdeployError('BUILD_IN_USE', {
    message: `Build ${shortGuid(row.build.guid)} ${why}, so it stays in the manifest.`,
    hint: `kvdeploy status ${flags}`,
    places: [placeOf(row)],
  });
}

const KEEP = 20;

/** Takes out all but the newest `--keep` builds by sequence, and those that are still needed. Throws as `removeBuild` does. */
export async function pruneBuilds({ keep: typed }: { readonly keep?: string }, deps: Deps): Promise<Outcome> {
  if (typed !== undefined && !/^[1-9]\d{0,5}$/.test(typed)) {
    throw new KvdeployError('USAGE', {
      message: `--keep ${JSON.stringify(typed)}: a whole number above 0.`,
      hint: `Such as --keep ${KEEP}`,
    });
  }
  const keep = typed === undefined ? KEEP : Number(typed);
  const listing = await openListing(deps);
  const needed = await neededBuilds(deps);
  let kept = '';
  const removed = await rewrite(
    listing,
    (before) => {
      const { newest, rest } = ranked(before, keep);
      const out = rest.filter(({ guid }) => !needed.has(guid));
      const older = rest.length - out.length;
      kept = ` The newest ${newest} stay${older === 0 ? '' : `, and ${older} older that can still be needed`}.`;
      return without(
        before,
        out.map(({ index }) => index),
      );
    },
    deps,
  );
  return told(removed, listing, kept, deps);
}

function ranked({ builds }: Before, keep: number): { newest: number; rest: readonly { guid: Guid; index: number }[] } {
  const rows = builds.map(({ build: { guid, sequence } }, index) => ({ guid, sequence, index }));
  const newestFirst = rows.toSorted((a, b) => b.sequence - a.sequence);
  return { newest: Math.min(keep, rows.length), rest: newestFirst.slice(keep) };
}

function without({ builds, manifest, text }: Before, indexes: readonly number[]): Edited<readonly Build[]> {
  const rows = builds.map(({ build }) => build);
  const result = rows.filter((_row, index) => indexes.includes(index));
  const left = rows.filter((_row, index) => !indexes.includes(index));
  if (indexes.length === 0 || manifest === null) return { result: [], text: null, builds: rows };
  return { result, text: withoutRows(manifest, indexes) ?? text, builds: left };
}

function told(removed: readonly Build[], { shown }: Listing, kept: string, deps: Deps): Outcome {
  for (const { guid, version, ref, sequence, digest } of removed) {
    deps.line({ type: 'row', change: 'removed', file: shown, build: { guid, version, ref, sequence, digest } });
    deps.print(guid);
  }
  const many = removed.length === 1 ? `${removed[0]?.version}` : `${removed.length} builds`;
  const message =
    removed.length === 0 ? `unchanged: nothing to take out of ${shown}.${kept}` : `Took ${many} out of ${shown}.${kept}`;
  if (deps.globals.json === true) return done(message);
  deps.line({ type: 'note', level: 'info', message });
  return done('');
}
