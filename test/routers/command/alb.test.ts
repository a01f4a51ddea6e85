/** docs/examples/alb.sh, with the real aws CLI before moto: what it carries, and what it does with a rule that is not as expected. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { nodeIo } from '../../../src/io.ts';
import { command } from '../../../src/routers/command/command.ts';
import { askedText, parsePrinted, readSchema, setText } from '../../../src/routers/command/command-protocol.ts';
import { type Moto, NO_GROUP, startMoto, THROTTLED } from '../../servers/moto.ts';
import { type Alb, configOf, startAlb, type Wishes } from './alb-world.ts';

let moto: Moto;

beforeAll(async () => {
  moto = await startMoto();
  vi.stubEnv('PATH', moto.quickPath);
  vi.stubEnv('HOME', moto.home);
}, 90_000);

afterEach(() => {
  moto.answer(() => undefined);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await moto.close();
});

const TWO = { blue: ['http://10.0.0.1:8080', 'http://10.0.0.2:8080'], green: ['http://10.0.1.1:8080'] };

const open = (wishes: Partial<Wishes> = {}) => startAlb(moto, { places: TWO, ...wishes });

const read = async (alb: Alb) => {
  const { exitCode, stdout, stderr } = await alb.run('read', askedText('web'));
  if (exitCode !== 0) return { refused: stderr };
  const printed = parsePrinted(readSchema, stdout);
  return 'answer' in printed ? printed.answer : { refused: printed.problem };
};

const set = (alb: Alb, green: number, leaving: 'at-once' | 'drain' = 'at-once') =>
  alb.run('set', setText('web', { blue: Math.round((100 - green) * 10) / 10, green }, leaving));

const OIDC = {
  Type: 'authenticate-oidc',
  AuthenticateOidcConfig: {
    ...{ Issuer: 'https://id.example', AuthorizationEndpoint: 'https://id.example/a', TokenEndpoint: 'https://id.example/t' },
    ...{ UserInfoEndpoint: 'https://id.example/u', ClientId: 'kv', OnUnauthenticatedRequest: 'deny', Scope: 'openid email' },
    AuthenticationRequestExtraParams: { prompt: 'login' },
  },
};

const COGNITO = {
  Type: 'authenticate-cognito',
  AuthenticateCognitoConfig: {
    ...{ UserPoolArn: 'arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu_1', UserPoolClientId: 'kv', UserPoolDomain: 'kv' },
  },
};

async function startInstance() {
  const image = await moto.ask('ec2', 'DescribeImages', {});
  const started = await moto.ask('ec2', 'RunInstances', {
    ImageId: /<imageId>([^<]*)</.exec(image)?.[1] ?? '',
    ...{ MinCount: '1', MaxCount: '1', InstanceType: 't3.micro' },
  });
  const said = (tag: string) => new RegExp(`<${tag}>([^<]*)<`).exec(started)?.[1] ?? '';
  return { id: said('instanceId'), address: said('privateIpAddress') };
}

function register(alb: Alb, place: string, id: string) {
  const target = { 'Targets.member.1.Id': id, 'Targets.member.1.Port': '8080' };
  return moto.ask('elasticloadbalancing', 'RegisterTargets', { TargetGroupArn: alb.groups[place] ?? '', ...target });
}

const withoutWeights = (xml: string) =>
  xml
    .replace(/<Weight>\d+<\/Weight>/g, '')
    .replace(/<RequestId>[^<]*<\/RequestId>/, '')
    .replace(/<UseExistingClientSecret>[^<]*<\/UseExistingClientSecret>/, '')
    .replace(/\s+/g, '');

describe('the ALB example changes weights only', () => {
  it.each([
    ['a rule', false],
    ['the default rule of a listener', true],
  ])('%s keeps its authentication and everything else when the weights move', async (_name, byListener) => {
    const stickiness = { Enabled: false, DurationSeconds: 60 };
    const alb = await open({ before: [OIDC, COGNITO], byListener, stickiness });
    const before = withoutWeights(await alb.actions());
    expect(before).toContain('https://id.example/u');
    expect(await set(alb, 25)).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await alb.weights()).toEqual({ blue: 750, green: 250 });
    expect(withoutWeights(await alb.actions())).toBe(before);
    expect(await read(alb)).toMatchObject({ percent: { blue: 75, green: 25 }, smallestPercent: 0.1, trouble: [] });
  });

  it('an OIDC client keeps its secret, which AWS never shows', async () => {
    const alb = await open({ before: [OIDC] });
    expect(await set(alb, 100)).toMatchObject({ exitCode: 0 });
    expect(await alb.actions()).toMatch(/<UseExistingClientSecret>true</i);
    expect(await alb.actions()).not.toContain('<ClientSecret>');
  });

  it.each([
    [0, { blue: 999, green: 0 }],
    [0.1, { blue: 999, green: 1 }],
    [1, { blue: 990, green: 10 }],
    [33.3, { blue: 667, green: 333 }],
    [50, { blue: 500, green: 500 }],
    [99.9, { blue: 1, green: 999 }],
    [100, { blue: 0, green: 999 }],
  ])('%s %% is the weights that AWS takes, and is read back exactly', async (percent, weights) => {
    const alb = await open();
    expect(await set(alb, percent)).toMatchObject({ exitCode: 0 });
    expect(await alb.weights()).toEqual(weights);
    expect(await read(alb)).toMatchObject({ percent: { green: percent } });
  });

  it('0.01 % is refused before anything is asked, and kvdeploy knows that from what it reads', async () => {
    const alb = await open();
    moto.calls();
    const { exitCode, stderr } = await alb.run('set', setText('web', { blue: 99.99, green: 0.01 }, 'at-once'));
    expect(stderr).toContain('is no multiple of 0.1');
    expect(exitCode).toBe(2);
    expect(moto.calls()).toEqual([]);
    const config = configOf(alb, ['blue', 'green']);
    expect(command.impossible(config, await command.read(config, nodeIo), 0.01)).toContain('steps of 0.1 %');
  });

  it('weights that a person set are read as they are', async () => {
    const alb = await open();
    await alb.write([alb.forward({ blue: 1, green: 2 })]);
    const now = await read(alb);
    expect('percent' in now && now.percent['green']).toBeCloseTo(66.6667, 4);
  });
});

describe('the ALB example refuses what is not as expected', () => {
  it.each<[string, (alb: Alb) => readonly object[], string]>([
    [
      'a second forward action',
      (alb) => [alb.forward({ blue: 1, green: 0 }), alb.forward({ blue: 1, green: 0 })],
      'its actions are',
    ],
    [
      'no forward action',
      () => [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: 503 } }],
      'its actions are fixed-response',
    ],
    ['authentication that it does not expect', (alb) => [OIDC, alb.forward({ blue: 1, green: 0 })], 'not forward as expected'],
    ['a target group too few', (alb) => [alb.forward({ blue: 1 })], 'not to exactly'],
    ['nothing but weights 0', (alb) => [alb.forward({ blue: 0, green: 0 })], 'nothing is served'],
  ])('%s is neither read nor changed', async (_name, actions, why) => {
    const alb = await open();
    await alb.write(actions(alb));
    const before = await alb.actions();
    expect(await read(alb)).toMatchObject({ refused: expect.stringContaining(why) });
    const { exitCode, stderr } = await set(alb, 100);
    expect(stderr).toContain(why);
    expect(exitCode).not.toBe(0);
    expect(withoutWeights(await alb.actions())).toBe(withoutWeights(before));
  });

  it('a target group that it does not know is named, and nothing is changed', async () => {
    const alb = await open({ places: { ...TWO, grey: [] } });
    const { grey = '', ...places } = alb.groups;
    alb.remember({ ...alb.settings, places });
    expect(await read(alb)).toMatchObject({ refused: expect.stringContaining(grey) });
    const { exitCode, stderr } = await set(alb, 100);
    expect(stderr).toContain(`it forwards to`);
    expect(exitCode).toBe(2);
    expect(await alb.weights()).toEqual({ blue: 1, green: 0, grey: 0 });
  });

  it('authentication that was removed by hand is not taken for what was expected', async () => {
    const alb = await open({ before: [OIDC] });
    await alb.write([alb.forward({ blue: 1, green: 0 })]);
    expect(await read(alb)).toMatchObject({
      refused: expect.stringContaining('its actions are forward, not authenticate-oidc, forward as expected'),
    });
  });

  it('a rule that is gone is named, and so is a target group that is gone', async () => {
    const alb = await open();
    const gone = { ...alb.settings, rule: `${alb.arn.slice(0, -4)}dead` };
    alb.remember(gone);
    expect(await read(alb)).toMatchObject({ refused: expect.stringContaining(`AWS does not say what rule ${gone.rule} does`) });
    expect((await set(alb, 100)).stderr).toContain('RuleNotFound');
    alb.remember(alb.settings);
    moto.answer((action) => (action === 'DescribeTargetHealth' ? NO_GROUP : undefined));
    expect(await read(alb)).toMatchObject({ refused: expect.stringContaining('TargetGroupNotFound') });
  });

  it.each([
    ['no ARN', { places: { blue: 'arn:aws:x' } }, 'the ARN of an ALB'],
    ['a key that it does not know', { region: 'eu-west-1' }, 'a key that it does not know'],
    ['one target group twice', 'twice', 'each once'],
    ['no forward', { actions: ['redirect'] }, 'names forward once'],
  ])('settings with %s are refused before anything is asked', async (_name, more, why) => {
    const alb = await open();
    const { blue } = alb.groups;
    const wrong = more === 'twice' ? { places: { blue, green: blue } } : (more as object);
    alb.remember(why.startsWith('the ARN') ? wrong : { ...alb.settings, ...wrong });
    moto.calls();
    const { exitCode, stderr } = await alb.run('read', askedText('web'));
    expect(stderr).toContain(why);
    expect(exitCode).toBe(2);
    expect(moto.calls()).toEqual([]);
  });
});

describe('the ALB example says what an ALB does', () => {
  it('stickiness is named as what beats weight 0, and nothing is raised under it', async () => {
    const alb = await open({ stickiness: { Enabled: true, DurationSeconds: 3600 } });
    const reading = await command.read(configOf(alb, ['blue', 'green']), nodeIo);
    expect(reading.sticky).toBe('cookie AWSALBTG');
    expect(reading.unusable?.why).toContain('stickiness of the target groups is on');
    expect(reading.trouble).toEqual([expect.stringMatching(/stay 3600 s .*at weight 0 too, and no rollback moves them/)]);
  });

  it('targets are up only when AWS says healthy, and one that drains is no member any more', async () => {
    const alb = await open();
    const target = (id: string, state: string) =>
      `<member><Target><Id>${id}</Id><Port>80</Port></Target><TargetHealth><State>${state}</State></TargetHealth></member>`;
    const states = ['healthy', 'unhealthy', 'initial', 'unused', 'unavailable', 'draining'];
    moto.answer((action) =>
      action === 'DescribeTargetHealth'
        ? {
            status: 200,
            body: `<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeTargetHealthResult><TargetHealthDescriptions>${states
              .map((state, at) => target(`10.0.0.${at}`, state))
              .join('')}</TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>`,
          }
        : undefined,
    );
    const now = await read(alb);
    expect('members' in now && now.members['blue']?.map(({ name, up }) => [name, up])).toEqual([
      ['10.0.0.0:80', true],
      ...[1, 2, 3, 4].map((at) => [`10.0.0.${at}:80`, false]),
    ]);
  });

  it('a target group without a target is not up, and instances have their private addresses', async () => {
    const { id, address } = await startInstance();
    const alb = await open({ places: { blue: [], green: [] } });
    await register(alb, 'green', id);
    expect(await read(alb)).toMatchObject({
      members: {
        blue: [{ name: 'no-target', up: false }],
        green: [{ name: `${id}:8080`, up: true, address: `http://${address}:8080` }],
      },
    });
  });

  it('the environment is a tag of the load balancer, and the account is the one of the credentials', async () => {
    const alb = await open({ tags: { Environment: 'staging', Name: 'production' } });
    expect(await alb.run('identify', askedText('web'))).toMatchObject({
      stdout: '{"formatVersion":1,"environment":"staging"}\n',
    });
    alb.remember({ ...alb.settings, environmentTag: 'Stage' });
    const untagged = await alb.run('identify', askedText('web'));
    expect(untagged.stderr).toMatch(/loadbalancer\/app\/web-\d+\/\w+ has no tag Stage/);
    expect(untagged.exitCode).not.toBe(0);
    alb.remember({ ...alb.settings, rule: alb.arn.replace('123456789012', '210987654321') });
    const other = await alb.run('identify', askedText('web'));
    expect(other.stderr).toContain('these are credentials of account 123456789012');
    expect(other.exitCode).toBe(2);
  });
});

describe('the ALB example while AWS does not answer', () => {
  it('a throttled call is repeated, and the rule is asked and written once', async () => {
    const alb = await open();
    const throttled = new Set<string>();
    moto.answer((action) => {
      const isSecond = throttled.has(action);
      throttled.add(action);
      return isSecond ? undefined : THROTTLED;
    });
    moto.calls();
    expect(await set(alb, 25)).toMatchObject({ exitCode: 0 });
    expect(moto.calls()).toEqual(['DescribeRules', 'DescribeRules', 'ModifyRule', 'ModifyRule']);
    expect(await alb.weights()).toEqual({ blue: 750, green: 250 });
  });

  it.each([
    ['read', 'DescribeRules', 3],
    ['read', 'DescribeTargetHealth', 6],
    ['set', 'ModifyRule', 3],
    ['identify', 'GetCallerIdentity', 3],
    ['identify', 'DescribeTags', 3],
  ])('%s is never a yes while %s stays throttled, after three attempts', async (verb, action, attempts) => {
    const alb = await open();
    moto.answer((one) => (one === action ? THROTTLED : undefined));
    moto.calls();
    const { exitCode, stdout, stderr } = verb === 'set' ? await set(alb, 100) : await alb.run(verb, askedText('web'));
    expect(stderr).toContain('Rate exceeded');
    expect(stdout).toBe('');
    expect(exitCode).not.toBe(0);
    expect(moto.calls().filter((one) => one === action)).toHaveLength(attempts);
    expect(await alb.weights()).toEqual({ blue: 1, green: 0 });
  });

  it.each([
    ['garbage', { status: 200, body: 'It works!' }],
    ['an answer without rules', { status: 200, body: '<DescribeRulesResponse><DescribeRulesResult/></DescribeRulesResponse>' }],
    ['an empty answer', { status: 200, body: '' }],
  ])('%s is no split', async (_name, body) => {
    const alb = await open();
    moto.answer((action) => (action === 'DescribeRules' ? body : undefined));
    expect(await read(alb)).toHaveProperty('refused');
    expect((await set(alb, 100)).exitCode).not.toBe(0);
  });

  it('a call that is never answered is given up, and no split was read', async () => {
    const alb = await open();
    moto.answer((action) => (action === 'DescribeTargetHealth' ? null : undefined));
    const config = { ...configOf(alb, ['blue', 'green']), timeout: 2000 };
    await expect(command.read(config, nodeIo)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('AWS that says other weights than it was told has not done it', async () => {
    const alb = await open();
    const before = (await alb.actions()).replaceAll('DescribeRules', 'ModifyRule');
    moto.answer((action) => (action === 'ModifyRule' ? { status: 200, body: before } : undefined));
    const { exitCode, stderr } = await set(alb, 100);
    expect(stderr).toContain('AWS says other weights than it was told');
    expect(exitCode).toBe(2);
  });
});

describe('the ALB example and its calls', () => {
  it('a reading asks once for the rule and once for each target group, a set reads and writes once', async () => {
    const alb = await open();
    moto.calls();
    await read(alb);
    expect([...moto.calls()].sort()).toEqual(['DescribeRules', 'DescribeTargetHealth', 'DescribeTargetHealth']);
    await set(alb, 50);
    await set(alb, 50);
    expect(moto.calls()).toEqual(['DescribeRules', 'ModifyRule', 'DescribeRules', 'ModifyRule']);
  });

  it('the policy of docs/alb.md allows what it calls, and nothing else', async () => {
    moto.calls();
    for (const byListener of [false, true]) {
      const alb = await open({ byListener, places: { blue: [], green: [] } });
      if (byListener) await register(alb, 'green', (await startInstance()).id);
      await set(alb, 50);
      await read(alb);
      await alb.run('identify', askedText('web'));
    }
    const page = readFileSync('docs/alb.md', 'utf8');
    const policy = [...page.matchAll(/"(?:elasticloadbalancing|ec2):(\w+)"/g)].map(([, action = '']) => action);
    // Everyone may ask who they are.
    expect([...new Set(moto.calls())].sort()).toEqual([...policy, 'GetCallerIdentity'].sort());
  });

  it('the real aws CLI, started anew, reads, sets and identifies as well', async () => {
    vi.stubEnv('PATH', moto.path);
    onTestFinished(() => void vi.stubEnv('PATH', moto.quickPath));
    const alb = await open({ before: [COGNITO] });
    expect(await set(alb, 25)).toMatchObject({ exitCode: 0 });
    expect(await read(alb)).toMatchObject({
      percent: { blue: 75, green: 25 },
      members: { green: [{ name: '10.0.1.1:8080', address: 'http://10.0.1.1:8080', up: true }] },
    });
    expect(await alb.run('identify', askedText('web'))).toMatchObject({ exitCode: 0 });
  });

  it('a place with hundreds of targets is read whole', async () => {
    const many = Array.from({ length: 300 }, (_, at) => `http://10.1.${at >> 8}.${at & 255}:8080`);
    const alb = await open({ places: { blue: many, green: [] } });
    const now = await read(alb);
    expect('members' in now && now.members['blue']).toHaveLength(300);
  });
});
