/** The rules between manifests: a build belongs to one scope, once. Must judge the files alone. No I/O. */
import type { Code } from '../../base/codes.ts';
import type { FindingCode } from '../errors.ts';
import { lookAlike } from '../nearest.ts';
import { sameScope, scopeText, shortGuid } from '../scope.ts';
import type { Build, Manifest } from './manifest.ts';

/** A well-formed manifest, and where its file is. */
export interface PlacedManifest {
  readonly file: string;
  readonly manifest: Manifest;
  /** The path below the manifest root, in parts; `outside` when it is not below it; null when it has no place (standard input). */
  readonly place: readonly string[] | 'outside' | null;
}

/** What the config knows: tenant, environment, services. */
export type KnownNames = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** A part of a manifest: the path to it from the top of the file. */
export interface Part {
  readonly file: string;
  readonly path: readonly (string | number)[];
}

/** A rule that is broken, at `at`; the reader of the files adds line, column and frame. */
export interface Breach {
  readonly code: Code | FindingCode;
  readonly at: Part;
  readonly message: string;
  readonly fix: string;
  readonly related: readonly (Part & { readonly note: string })[];
}

interface Listing extends PlacedManifest {
  readonly build: Build;
  readonly index: number;
}

/** Every rule over all manifests. Of several places a breach is at the last in the order given. */
export function manifestBreaches(manifests: readonly PlacedManifest[], names: KnownNames | null): readonly Breach[] {
  const listings = manifests.flatMap((each) => each.manifest.builds.map((build, index) => ({ ...each, build, index })));
  const byGuid = groups(listings, (listing) => listing.build.guid);
  const bySequence = groups(listings, (listing) => `${scopeText(listing.manifest)} ${listing.build.sequence}`);
  return [
    ...manifests.flatMap((each) => [...stampBreaches(each), ...placeBreaches(each, names), ...nameBreaches(each, names)]),
    ...groups(manifests, (each) => scopeText(each.manifest)).flatMap(repeatedScope),
    ...byGuid.flatMap((group) => [...foreign(group), ...repeatedGuid(group), ...twoDigests(group)]),
    ...bySequence.flatMap(repeatedSequence),
  ];
}

/** Builds that are stamped for another environment than their file's. Any refuses the whole file. */
export function stampBreaches({ file, manifest }: PlacedManifest): readonly Breach[] {
  return manifest.builds.flatMap((build, index) => {
    if (build.environment === undefined || build.environment === manifest.environment) return [];
    return [
      {
        code: 'FOREIGN_BUILD' as const,
        at: { file, path: ['builds', index, 'environment'] },
        message: `Build ${shortGuid(build.guid)} is stamped for ${build.environment}, but this file lists builds for ${manifest.environment}, so the whole file is refused.`,
        fix: `List it in ${build.environment}'s manifest, and list a build made for ${manifest.environment} here.`,
        related: [{ file, path: ['environment'], note: 'the file is for this environment' }],
      },
    ];
  });
}

function placeBreaches({ file, manifest, place }: PlacedManifest, names: KnownNames | null): readonly Breach[] {
  if (place === null) return [];
  const { tenant, environment, service } = manifest;
  const short = `${environment}/${service}`;
  const long = `${tenant}/${short}`;
  const wanted = names !== null && names.size > 1 ? [long] : [short, long];
  const found = place === 'outside' ? undefined : place.join('/');
  if (found !== undefined && wanted.some((path) => ['.yaml', '.yml', '.json'].some((extension) => found === path + extension)))
    return [];
  return [
    {
      code: 'WRONG_PLACE',
      at: { file, path: ['environment'] },
      message: `This manifest is for ${scopeText(manifest)}, but ${found === undefined ? 'it is outside the manifest root' : `its path below the manifest root is ${found}`}.`,
      fix: `Move it to ${wanted[0]}.yaml below the manifest root, or fix its tenant, environment or service.`,
      related: [],
    },
  ];
}

/** A scope that the config does not know, but that could be mistaken for one that it does. */
function nameBreaches({ file, manifest }: PlacedManifest, names: KnownNames | null): readonly Breach[] {
  if (names === null) return [];
  const environments = names.get(manifest.tenant);
  const services = environments?.get(manifest.environment);
  const [part, word, known] =
    environments === undefined
      ? (['tenant', manifest.tenant, [...names.keys()]] as const)
      : services === undefined
        ? (['environment', manifest.environment, [...environments.keys()]] as const)
        : (['service', manifest.service, services] as const);
  const mistaken = known.includes(word) ? undefined : lookAlike(word, known);
  if (mistaken === undefined) return [];
  return [
    {
      code: 'UNKNOWN_NAME',
      at: { file, path: [part] },
      message: `The config has no ${part} "${word}". Did you mean "${mistaken}"?`,
      fix: `Write ${part}: ${mistaken}, or add ${word} to the config if both exist.`,
      related: [],
    },
  ];
}

function repeatedScope(group: readonly PlacedManifest[]): readonly Breach[] {
  return lastAgainstRest(group, () => true, servicePart, 'also this file').map(({ last, ...parts }) => ({
    code: 'REPEATED_SCOPE',
    ...parts,
    message: `${scopeText(last.manifest)} has ${group.length} manifests; only one is allowed.`,
    fix: 'Merge them into one file.',
  }));
}

function foreign(group: readonly Listing[]): readonly Breach[] {
  const differs = (a: Listing, b: Listing) => !sameScope(a.manifest, b.manifest);
  return lastAgainstRest(group, differs, partOf('guid'), 'also listed here').map(({ last, others, ...parts }) => {
    const scopes = [...new Set([...others, last].map((each) => scopeText(each.manifest)))];
    return {
      code: 'FOREIGN_BUILD',
      ...parts,
      message: `Build ${shortGuid(last.build.guid)} is listed in ${scopes.length} scopes: ${scopes.join(' and ')}. A build belongs to exactly one.`,
      fix: 'Keep it where it was built for, and make another build for the other; a GUID is never used in two environments.',
    };
  });
}

function repeatedGuid(group: readonly Listing[]): readonly Breach[] {
  const same = (a: Listing, b: Listing) => sameScope(a.manifest, b.manifest);
  return lastAgainstRest(group, same, partOf('guid'), 'also listed here').map(({ last, ...parts }) => ({
    code: 'REPEATED_GUID',
    ...parts,
    message: `Build ${shortGuid(last.build.guid)} is listed more than once for ${scopeText(last.manifest)}.`,
    fix: 'Keep one entry. GUIDs that differ only in capitals, braces or urn:uuid: are the same build.',
  }));
}

function twoDigests(group: readonly Listing[]): readonly Breach[] {
  const differs = (a: Listing, b: Listing) => a.build.digest !== b.build.digest;
  return lastAgainstRest(group, differs, partOf('digest'), 'another digest here').map(({ last, ...parts }) => ({
    code: 'TWO_DIGESTS',
    ...parts,
    message: `Build ${shortGuid(last.build.guid)} is listed with two digests: a GUID always identifies the same bytes.`,
    fix: 'Publish the new bytes under a new GUID; do not edit the digest.',
  }));
}

function repeatedSequence(group: readonly Listing[]): readonly Breach[] {
  const differs = (a: Listing, b: Listing) => a.build.guid !== b.build.guid;
  return lastAgainstRest(group, differs, partOf('sequence'), 'the same sequence here').map(({ last, ...parts }) => ({
    code: 'REPEATED_SEQUENCE',
    ...parts,
    message: `Sequence ${last.build.sequence} is used twice for ${scopeText(last.manifest)}, so it is unclear which build is newer.`,
    fix: 'Give every build a unique sequence, higher than all earlier ones.',
  }));
}

/** The last of a group, with those of the rest that clash with it and the part that is meant of each; nothing when none does. */
function lastAgainstRest<T>(group: readonly T[], clash: (a: T, b: T) => boolean, part: (each: T) => Part, note: string) {
  const last = group.at(-1);
  if (last === undefined) return [];
  const others = group.slice(0, -1).filter((each) => clash(each, last));
  if (others.length === 0) return [];
  return [{ last, others, at: part(last), related: others.map((each) => ({ ...part(each), note })) }];
}

function servicePart({ file }: PlacedManifest): Part {
  return { file, path: ['service'] };
}

function partOf(key: 'guid' | 'digest' | 'sequence') {
  return ({ file, index }: Listing): Part => ({ file, path: ['builds', index, key] });
}

/** Groups of at least two, in the order given. */
function groups<T>(items: readonly T[], keyOf: (item: T) => string): readonly (readonly T[])[] {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = found.get(key);
    if (group === undefined) found.set(key, [item]);
    else group.push(item);
  }
  return [...found.values()].filter((group) => group.length > 1);
}
