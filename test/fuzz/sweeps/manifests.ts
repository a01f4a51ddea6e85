/** Release manifests as objects and as texts: what gets in means what stands there, and a foreign build never does. */
import { parse } from 'yaml';
import { parseManifest } from '../../../src/config/manifests.ts';
import { admit } from '../../../src/core/admission/admission.ts';
import { type ListedBuild, type Manifest, manifestSchema, scopeOf } from '../../../src/core/manifest/manifest.ts';
import { manifestBreaches } from '../../../src/core/manifest/manifest-rules.ts';
import { sameScope } from '../../../src/core/scope.ts';
import { answerOf, factsWith, saying } from '../../core/admission/facts.ts';
import { hostileText, mutated, respelled } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustShowSafely } from '../terminal.ts';
import { textOf } from '../text-forms.ts';

const GUIDS = [
  '00000002-7425-40de-944b-e07fc1f90ae7',
  '0000003a-7425-40de-944b-e07fc1f9abcd',
  'abcdef12-7425-40de-944b-e07fc1f90ae7',
];

function buildOf(luck: Luck, sequence: number): Record<string, unknown> {
  const build: Record<string, unknown> = {
    guid: respelled(luck, luck.pick(GUIDS)),
    version: luck.chance(0.1) ? hostileText(luck) : '2026.11.21-3',
    digest: `sha256:${luck.pick(['a', 'b']).repeat(64)}`,
    sequence,
    createdAt: luck.pick(['2026-11-21T09:12:00Z', '2026-11-21T09:12:00.5+01:00', '2024-02-29T00:00:00Z']),
    ref: luck.pick(['green', 'green', 'srv:1']),
  };
  if (luck.chance(0.2)) build.environment = luck.pick(['production', 'staging']);
  if (luck.chance(0.2))
    build.source = { repository: luck.chance(0.1) ? hostileText(luck) : 'https://example.com/gw', commit: '3f2a9c1' };
  if (luck.chance(0.05)) build.record = hostileText(luck);
  return build;
}

export function manifestOf(luck: Luck, environment: string): unknown {
  const from = 2 + luck.below(3);
  return {
    apiVersion: 'kvdeploy.dev/v1',
    kind: 'ReleaseManifest',
    tenant: 'acme',
    environment,
    service: 'kv-gateway',
    builds: luck.some(3, (index) => buildOf(luck, from + index)),
  };
}

/** The 32 digits of a GUID, however it is spelled. */
function digits(text: unknown): string {
  return String(text)
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/[^0-9a-f]/g, '');
}

/** What was read, with GUIDs as digits, is what was written. */
function mustMeanTheSame(read: Manifest, written: unknown): void {
  const plain = (manifest: unknown) =>
    JSON.stringify(manifest, (key, value: unknown) => {
      if (key === 'guid') return digits(value);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  must(plain(read) === plain(written), 'it was read as something else');
}

function listed(manifest: Manifest, file: string): ListedBuild[] {
  return manifest.builds.map((build) => ({ scope: scopeOf(manifest), build, file, line: 1, column: 1 }));
}

/** Two manifests of two scopes, each changed a little: who gets into the first? */
export const manifestObjects: Sweep<readonly unknown[]> = {
  name: 'manifest-objects',
  what: 'pairs of release manifests',
  kind: 'objects',
  share: 0.25,
  make: (luck) => [mutated(luck, manifestOf(luck, 'production')), mutated(luck, manifestOf(luck, 'staging'))],
  judge: (documents) => {
    const manifests = documents.flatMap((document) => {
      const parsed = manifestSchema.safeParse(document);
      if (parsed.success) mustMeanTheSame(parsed.data, document);
      return parsed.success ? [parsed.data] : [];
    });
    const [first] = manifests;
    if (first === undefined) return 'refused';
    const all = manifests.flatMap((manifest, index) => listed(manifest, `${index}.yaml`));
    const placed = manifests.map((manifest, index) => ({ file: `${index}.yaml`, manifest, place: null }));
    const isForeign = (entry: ListedBuild) =>
      all.some((other) => !sameScope(other.scope, entry.scope) && digits(other.build.guid) === digits(entry.build.guid));
    const breaches = manifestBreaches(placed, null);
    if (all.some(isForeign))
      must(
        breaches.some(({ code }) => code === 'FOREIGN_BUILD'),
        'a foreign build is no breach',
      );
    return mustAdmitOnlyOwn(first, all, isForeign);
  },
  must: ['refused', 'admitted', 'kept out'],
};

function mustAdmitOnlyOwn(first: Manifest, all: readonly ListedBuild[], isForeign: (entry: ListedBuild) => boolean): string {
  let word = 'kept out';
  const scope = scopeOf(first);
  for (const entry of all) {
    const { build } = entry;
    const facts = factsWith({
      scope,
      guid: build.guid,
      listed: all,
      atPlace: all.filter((one) => one.file === '0.yaml'),
      otherLedgers: [],
      targetSays: [scope.environment],
      places: [
        { place: 'blue', percent: 100, up: true },
        { place: build.ref, percent: 0, up: true },
      ],
      candidateAnswers: saying(answerOf(build, scope.environment)),
    });
    if (admit(facts).build === null) continue;
    word = 'admitted';
    must(sameScope(entry.scope, scope) && !isForeign(entry), 'a foreign build was admitted');
    must((build.environment ?? scope.environment) === scope.environment, 'a build stamped for elsewhere was admitted');
  }
  return word;
}

/** One manifest as a text of YAML or JSON, damaged as texts are. */
export const manifestTexts: Sweep<{ readonly file: string; readonly bytes: string }> = {
  name: 'manifest-texts',
  what: 'texts of release manifests',
  kind: 'texts',
  share: 0.4,
  make: (luck) => textOf(luck, mutated(luck, manifestOf(luck, 'production')), 'production/kv-gateway'),
  judge: ({ file, bytes }) => {
    const raw = Buffer.from(bytes, 'latin1');
    const { manifest, findings } = parseManifest(file, raw, ['production', 'kv-gateway.yaml']);
    mustShowSafely(findings);
    if (manifest === undefined) {
      must(findings.length > 0, 'refused without a finding');
      return 'refused';
    }
    const text = raw.toString('utf8');
    mustMeanTheSame(manifest.manifest, file.endsWith('.json') ? JSON.parse(text) : parse(text, { maxAliasCount: 0 }));
    return 'read';
  },
  must: ['refused', 'read'],
};
