import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';
import { manifestSchema } from '../../src/core/manifest/manifest.ts';
import { demoScenario } from '../../src/scenarios/demo.ts';
import { configText, manifestText } from '../../src/scenarios/files.ts';

const { cast, listed, settings } = demoScenario();
const membersOf = (names: readonly string[]) => names.flatMap((name) => cast[name] ?? []);
const PRODUCTION_BUILDS = membersOf(listed.production);

describe('the files of the local world', () => {
  it('the manifests are as a user would write them, each for one environment', () => {
    const production = manifestSchema.parse(parse(manifestText('production', PRODUCTION_BUILDS)));
    const staging = manifestSchema.parse(parse(manifestText('staging', membersOf(listed.staging))));
    expect(production.environment).toBe('production');
    expect(production.builds.map(({ guid }) => String(guid))).toEqual(PRODUCTION_BUILDS.map(({ guid }) => guid));
    expect(production.builds.map(({ guid }) => String(guid))).not.toContain(String(staging.builds[0]?.guid));
  });

  it.each(Object.entries(settings))(
    'the config loads with the %s settings, and the bad build is no different from the others',
    (_pace, own) => {
      const addresses = { blue: 'http://127.0.0.1:9001', amber: 'http://127.0.0.1:9003' };
      const text = configText({
        ...own,
        router: ['kind: local', 'listen: 127.0.0.1:8080', 'routes: /srv/routes.json', `addresses: ${JSON.stringify(addresses)}`],
        gates: own.gates.replace('@router', 'local'),
      });
      const config = configSchema.parse(parse(text));
      const service = config.tenants['demo']?.environments['production']?.services?.['kv-gateway'];
      expect(service?.router).toMatchObject({ kind: 'local', addresses });
      expect(service?.gates?.[0]).toMatchObject({ source: 'local', max: 0.01, minRequests: 20 });
    },
  );
});
