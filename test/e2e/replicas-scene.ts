/** The small production with three replicas a place, each of which a test can turn foreign, bad, or down. */
import { type Backend, startBackend } from '../servers/backend.ts';
import { openSite, PLACES, type PlaceName, type Site, type SiteOptions, startBuilds } from './site.ts';

const REPLICAS = 3;

export interface ReplicaSite extends Site {
  /** One replica, counted from 1: server `green-2` of HAProxy. */
  replica(place: PlaceName, number: number): Backend;
  /** HAProxy calls it down, or checks it again and finds it well, at every location. */
  setDown(name: string, isDown: boolean): Promise<void>;
  /** Percent by place, from the weights of its servers. */
  shares(location?: number): Promise<Readonly<Record<string, number>>>;
  closeAll(): Promise<void>;
}

/** Opens it on one HAProxy or two. blue serves and is adopted; green and amber wait in maintenance. */
export async function openReplicas(sockets: 1 | 2, options: SiteOptions = {}): Promise<ReplicaSite> {
  const builds = await startBuilds();
  const replicas = new Map<string, Backend>();
  for (const place of PLACES)
    for (let number = 1; number <= REPLICAS; number += 1)
      replicas.set(`${place}-${number}`, await startBackend({ guid: builds[place].guid, environment: 'production' }));
  const servers = [...replicas].map(([name, { port }]) => ({
    name,
    port,
    ...(name.startsWith('blue') ? {} : { extra: 'disabled' }),
  }));
  const places = {
    blue: { servers: 'blue-*', minUp: 2 },
    green: { servers: ['green-1', 'green-2', 'green-3'], minUp: 2 },
    amber: { servers: 'amber-*', minUp: 2 },
  };
  const site = await openSite({ sockets, builds, places, ...options, proxy: { servers, ...options.proxy } });
  return {
    ...site,
    replica: (place, number) => replicas.get(`${place}-${number}`) as Backend,
    setDown: async (name, isDown) => {
      const line = isDown ? `disable health gw/${name}; set server gw/${name} health down` : `enable health gw/${name}`;
      for (const socket of site.haproxy.sockets.keys()) await site.haproxy.command(line, socket);
    },
    shares: async (location) => {
      const shares: Record<string, number> = {};
      for (const [name, percent] of Object.entries(await site.split(location))) {
        const place = name.replace(/-\d$/, '');
        shares[place] = (shares[place] ?? 0) + percent;
      }
      return Object.fromEntries(Object.entries(shares).map(([place, percent]) => [place, Math.round(percent)]));
    },
    closeAll: async () => {
      await site.close();
      await Promise.all([...replicas.values()].map((one) => one.close()));
    },
  };
}
