/** The embedded router of the local world: `kvdeploy serve`, and the routes file that it follows. */
import { type ServeStatus, STATUS_PATH, statusSchema } from '../../routers/local/local-routes.ts';
import type { Edge, Site } from './edge.ts';

const SERVE = ['serve', '--env', 'production', '--initially'];

/** `routes`: the file that it follows. */
export function localEdge({ listen, addresses, place }: Site, routes: string): Edge {
  const status = async (): Promise<ServeStatus> => {
    const response = await fetch(`http://${listen}${STATUS_PATH}`, { signal: AbortSignal.timeout(2000) });
    return statusSchema.parse(await response.json());
  };
  const [first = ''] = Object.keys(addresses);
  return {
    kind: 'local',
    url: `http://${listen}`,
    settings: [
      'kind: local',
      `listen: ${listen}`,
      `routes: ${JSON.stringify(routes)}`,
      'addresses:',
      ...Object.entries(addresses).map(([name, address]) => `  ${name}: ${address}`),
    ],
    told: [],
    argv: [process.execPath, place.program, ...SERVE, first],
    percents: async () => new Map((await status()).split.map((share) => [share.place, share.percent])),
    served: async () => (await status()).served,
  };
}
