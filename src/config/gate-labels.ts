/** What a gate's query names of a build, against what the manifest says of it. Must judge the newest build alone: older ones are not promoted again. */
import type { Breach } from '../core/manifest/manifest-rules.ts';
import { sameScope, shortGuid } from '../core/scope.ts';
import { openSource } from '../metrics/index.ts';
import type { ReadManifest } from './manifests.ts';
import type { LoadedConfig } from './settings.ts';

/** A breach for each gate that could not be asked about the newest build of its scope. */
export function gateLabelBreaches(config: LoadedConfig, manifests: readonly ReadManifest[]): readonly Breach[] {
  return config.services.flatMap(({ scope, gates, compared }) =>
    manifests
      .filter(({ manifest }) => sameScope(manifest, scope))
      .flatMap(({ file, manifest: { builds } }) => {
        const [newest] = builds.toSorted((a, b) => b.sequence - a.sequence);
        if (newest === undefined) return [];
        const { guid, ref: place, version, digest, labels } = newest;
        const question = { scope, build: guid, place, version, digest, labels, address: null };
        const asked = new Map([...gates, ...compared].map((gate) => [gate.name, gate]));
        return [...asked.values()].flatMap((gate): Breach[] => {
          const { source, config: settings } = openSource(gate);
          const why = source.unaskable?.(settings, { candidate: question, stable: null });
          if (why === undefined) return [];
          return [
            {
              code: 'GATE_LABEL_MISSING',
              at: { file, path: ['builds', builds.indexOf(newest), 'guid'] },
              message: `Gate ${gate.name} cannot be asked about ${shortGuid(guid)}: ${why}.`,
              fix: 'Write what the metrics of the build are labelled with to its labels: { NAME: value }, or use another placeholder.',
              related: [],
            },
          ];
        });
      }),
  );
}
