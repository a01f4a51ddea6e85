/** Several servers that run one build, in a config that takes each server for a place of its own: the `places` that say so. Asks only. */
import { whichBuild } from '../../core/admission/answers.ts';
import { shortGuid } from '../../core/scope.ts';
import { listText } from '../../core/text.ts';
import type { Target } from '../../engine/target.ts';
import { knownBuilds, type Offers } from '../../release/offers.ts';
import type { Opened } from '../../release/open.ts';
import { placesToAsk, servingIn } from '../../release/traffic.ts';
import type { Reading } from '../../routers/router.ts';

/** The servers that answer one build. */
interface Group {
  readonly guid: string;
  /** As the router's config names them: servers, or URLs. */
  readonly members: readonly string[];
}

/**
 * What to write where everything that serves is one build; undefined where it is not, or the config has `places`. `places: { … }` can be pasted as it
 * is, and keeps each `ref` of the manifest.
 */
export async function placesToWrite(
  router: { readonly kind: string },
  target: Target,
  reading: Reading,
  opened: Pick<Opened, 'history' | 'scope' | 'settings'>,
  offers: Pick<Offers, 'listed'> | null,
): Promise<string | undefined> {
  if (Object.hasOwn(router, 'places')) return undefined;
  const { asked: worth } = placesToAsk(reading.places, opened, offers);
  const known = knownBuilds(opened, offers);
  const guidAt = async (place: string) => {
    const which = whichBuild(await target.ask(place, reading), known);
    return which.is === 'one' ? which.guid : null;
  };
  const asked = await Promise.all(worth.map(async ({ place }) => ({ place, guid: await guidAt(place) })));
  const serving = new Set(servingIn(reading).map(({ place }) => place));
  const builds = new Set(asked.flatMap(({ place, guid }) => (serving.has(place) ? [guid] : [])));
  const [only] = builds;
  if (only == null || builds.size > 1) return undefined;
  const wordOf = (place: string) => (router.kind === 'local' ? addressOf(place, reading) : place);
  const guids = [...new Set(asked.flatMap(({ guid }) => guid ?? []))];
  const groups = guids.map((guid) => {
    const own = asked.filter((one) => one.guid === guid).map(({ place }) => place);
    return { guid, names: own, members: own.map(wordOf) };
  });
  const named = namesOf(
    groups,
    reading.places.map(({ place }) => place),
    offers,
  );
  const text = groups.map(({ members }, at) => `${named[at]}: [${members.join(', ')}]`).join(', ');
  const silent = asked.flatMap(({ place, guid }) => (guid === null ? [place] : []));
  const left = silent.length === 0 ? '' : `. Not in it, since no build answers there: ${listText(silent)}.`;
  return `All of them run build ${shortGuid(only)}, so they are replicas of one place. Add this to router: in the config, then run the same command again: places: { ${text} }${left}`;
}

function addressOf(place: string, { locations }: Reading): string {
  const member = locations.flatMap(({ members }) => members).find((one) => one.place === place);
  return member?.ask.address ?? place;
}

/** The manifest's `ref` of each build, else what the names of its servers begin with; never the name of another build's server. */
function namesOf(
  groups: readonly (Group & { readonly names: readonly string[] })[],
  servers: readonly string[],
  offers: Pick<Offers, 'listed'> | null,
): readonly string[] {
  const taken = new Set<string>();
  return groups.map(({ guid, names }, at) => {
    const ref = offers?.listed.find(({ build }) => build.guid === guid)?.build.ref;
    const isFree = (name: string) => name !== '' && !taken.has(name) && (names.includes(name) || !servers.includes(name));
    const name = [ref ?? '', beginningOf(names)].find(isFree) ?? `place${at + 1}`;
    taken.add(name);
    return name;
  });
}

/** What all names begin with, without a number or a dash at its end: `green` of green-1 and green-2. */
function beginningOf([first = '', ...others]: readonly string[]): string {
  let end = first.length;
  while (others.some((name) => !name.startsWith(first.slice(0, end)))) end -= 1;
  return first.slice(0, end).replace(/[\d._:-]+$/, '');
}
