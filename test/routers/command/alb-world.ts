/** An ALB as moto keeps it, with real builds as targets. moto routes nothing: a small proxy sends each request by the weights that moto has. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseGuid } from '../../../src/core/scope.ts';
import { nodeIo } from '../../../src/io.ts';
import { command } from '../../../src/routers/command/command.ts';
import type { CommandConfig } from '../../../src/routers/command/command-config.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { startBackend } from '../../serve/backend.ts';
import { load } from '../../servers/load.ts';
import { EXPIRED, type Moto } from '../../servers/moto.ts';
import type { RouterUnderTest } from '../contract.ts';
import { startProxy } from './file-world.ts';

const SCRIPT = join(import.meta.dirname, '../../../docs/examples/alb.sh');

const ELB = 'elasticloadbalancing';

export type Weights = Readonly<Record<string, number>>;

export interface Wishes {
  /** The first has all the weight. */
  readonly places: Readonly<Record<string, readonly string[]>>;
  /** What goes before the forward action; each is `Type` and its settings, as AWS's API has them. */
  readonly before?: readonly object[];
  readonly stickiness?: object;
  /** Whether the default rule of the listener is driven instead of a rule. */
  readonly byListener?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
  /** More or other settings of the target in the folder of the script. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Alb {
  readonly folder: string;
  readonly arn: string;
  readonly groups: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** `[…/alb.sh, FOLDER, verb]`, as a config has it. */
  verb(word: string): readonly string[];
  /** Runs it as the router does, with this on standard input. */
  run(word: string, input: string): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
  /** Every action, as AWS says them. */
  actions(): Promise<string>;
  weights(): Promise<Weights>;
  /** As a person at the console, past kvdeploy: every action anew. */
  write(actions: readonly object[]): Promise<void>;
  forward(weights: Weights, more?: object): object;
  remember(settings: object): void;
}

/** The parameters of an AWS query: `A.member.1.B=…`. */
function flat(value: unknown, name = ''): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((one, at) => flat(one, `${name}.member.${at + 1}`));
  if (typeof value !== 'object' || value === null) return [[name, String(value)]];
  return Object.entries(value).flatMap(([key, one]) => flat(one, name === '' ? key : `${name}.${key}`));
}

let made = 0;

export async function startAlb(moto: Moto, wishes: Wishes): Promise<Alb> {
  made += 1;
  const elb = (action: string, parameters: object) => moto.ask(ELB, action, Object.fromEntries(flat(parameters)));
  const one = (xml: string, tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? '';
  const subnets = await moto.ask('ec2', 'DescribeSubnets', {});
  const balancer = one(
    await elb('CreateLoadBalancer', {
      Name: `web-${made}`,
      Subnets: [one(subnets, 'subnetId')],
      Tags: Object.entries(wishes.tags ?? { Environment: 'production' }).map(([Key, Value]) => ({ Key, Value })),
    }),
    'LoadBalancerArn',
  );
  const groups: Record<string, string> = {};
  for (const [place, addresses] of Object.entries(wishes.places)) {
    const settings = { Name: `${place}-${made}`, Protocol: 'HTTP', Port: 80, VpcId: one(subnets, 'vpcId'), TargetType: 'ip' };
    groups[place] = one(await elb('CreateTargetGroup', settings), 'TargetGroupArn');
    const Targets = addresses.map((url) => ({ Id: new URL(url).hostname, Port: new URL(url).port }));
    if (Targets.length > 0) await elb('RegisterTargets', { TargetGroupArn: groups[place], Targets });
  }
  const before = wishes.before ?? [];
  const forward: Alb['forward'] = (weights, more = {}) => ({
    Type: 'forward',
    ForwardConfig: {
      TargetGroups: Object.entries(weights).map(([place, Weight]) => ({ TargetGroupArn: groups[place] ?? place, Weight })),
      ...(wishes.stickiness === undefined ? {} : { TargetGroupStickinessConfig: wishes.stickiness }),
      ...more,
    },
  });
  const ordered = (actions: readonly object[]) => actions.map((action, at) => ({ ...action, Order: at + 1 }));
  const first = forward(Object.fromEntries(Object.keys(groups).map((place, at) => [place, at === 0 ? 1 : 0])));
  const all = ordered([...before, first]);
  const listener = one(
    await elb('CreateListener', { LoadBalancerArn: balancer, Protocol: 'HTTP', Port: 80, DefaultActions: all }),
    'ListenerArn',
  );
  const isListener = wishes.byListener === true;
  const condition = { Field: 'path-pattern', Values: ['/*'] };
  const arn = isListener
    ? listener
    : one(await elb('CreateRule', { ListenerArn: listener, Priority: 1, Conditions: [condition], Actions: all }), 'RuleArn');
  const folder = freshFolder();
  copyFileSync(SCRIPT, join(folder, 'alb.sh'));
  chmodSync(join(folder, 'alb.sh'), 0o755);
  const types = [...before.map((action) => (action as { Type: string }).Type), 'forward'];
  const settings = {
    ...{ [isListener ? 'listener' : 'rule']: arn, places: groups },
    ...(types.length === 1 ? {} : { actions: types }),
    ...wishes.settings,
  };
  const remember = (now: object) => {
    for (const name of ['web', 'scratch']) writeFileSync(join(folder, 'alb', `${name}.json`), JSON.stringify(now));
  };
  mkdirSync(join(folder, 'alb'));
  remember(settings);
  const actions = () =>
    isListener ? elb('DescribeListeners', { ListenerArns: [listener] }) : elb('DescribeRules', { RuleArns: [arn] });
  const verb = (word: string) => [join(folder, 'alb.sh'), join(folder, 'alb'), word];
  return {
    ...{ folder, arn, groups, settings, verb, actions, forward, remember },
    run: (word, input) => nodeIo.run(verb(word), 60_000, () => undefined, input),
    weights: async () => {
      const said = [...(await actions()).matchAll(/<TargetGroupArn>([^<]*)<\/TargetGroupArn>\s*<Weight>(\d+)<\/Weight>/g)];
      const by = new Map(said.map(([, group, weight]) => [group, Number(weight)]));
      return Object.fromEntries(Object.entries(groups).map(([place, group]) => [place, by.get(group) ?? Number.NaN]));
    },
    write: async (now) => {
      const Actions = ordered(now);
      await (isListener
        ? elb('ModifyListener', { ListenerArn: listener, DefaultActions: Actions })
        : elb('ModifyRule', { RuleArn: arn, Actions }));
    },
  };
}

/** Sends each request to the first target of a group, so that shares are exact and chance plays no part. */
async function startWeighing(addresses: Readonly<Record<string, string>>) {
  let weights: Weights = {};
  let turn = 0;
  const drawn = () => {
    const sum = Object.values(weights).reduce((all, one) => all + one, 0);
    turn = (turn + 37) % 100;
    let from = 0;
    const found = Object.entries(weights).find(([, weight]) => {
      from += (100 * weight) / sum;
      return turn < from;
    });
    return addresses[found?.[0] ?? ''] ?? '';
  };
  const proxy = await startProxy(drawn);
  return {
    ...proxy,
    weigh: (now: Weights) => {
      weights = now;
    },
  };
}

const GUIDS = {
  blue: '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111',
  green: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  grey: '5f0c2a4e-1b7d-4e55-8f3a-2c9d7e6b3333',
};

/** Three places with a build each, driven by the router as a config would, for the contract. */
export async function startAlbWorld(moto: Moto): Promise<RouterUnderTest<CommandConfig>> {
  const backends = await Promise.all(Object.values(GUIDS).map((guid) => startBackend(guid)));
  const addresses = Object.fromEntries(Object.keys(GUIDS).map((place, at) => [place, backends[at]?.address ?? '']));
  const alb = await startAlb(moto, {
    places: Object.fromEntries(Object.entries(addresses).map(([place, one]) => [place, [one]])),
  });
  const proxy = await startWeighing(addresses);
  const guid = (place: keyof typeof GUIDS) => parseGuid(GUIDS[place]) ?? never();
  return {
    router: command,
    config: configOf(alb, ['blue', 'green', 'grey']),
    io: nodeIo,
    environment: 'production',
    finest: 0.1,
    slow: true,
    counts: false,
    members: [
      { place: 'blue', guid: guid('blue') },
      { place: 'green', guid: guid('green') },
    ],
    stranger: 'grey',
    traffic: async (count) => {
      proxy.weigh(await alb.weights());
      return new Map(Object.entries((await load(proxy.url, { count, keepAlive: false })).byBuild));
    },
    moveByHand: (percents) => alb.write([alb.forward({ blue: 0, green: 0, grey: 0, ...percents })]),
    stop: async () => moto.answer(() => EXPIRED),
    close: async () => {
      await proxy.close();
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
}

export function configOf(alb: Alb, places: readonly string[]): CommandConfig {
  const [read, set, identify] = ['read', 'set', 'identify'].map(alb.verb);
  return command.config.parse({ target: 'web', read, set, identify, places, timeout: '20s' }) as CommandConfig;
}

function never(): never {
  throw new Error('not a GUID');
}
