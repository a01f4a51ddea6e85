// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Guid } from '../../../src/core/scope.ts';
import { type PrometheusConfig, prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { type FakeOptions, type FakePrometheus, startFakePrometheus } from '../../cli/prometheus-site.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { startBackend } from '../../servers/backend.ts';
import { load } from '../../servers/load.ts';
import { until } from '../../servers/program.ts';
import { startPrometheus } from '../../servers/prometheus.ts';
import { realIo } from '../../servers/real-io.ts';

const folder = freshFolder();
// Any user may look into it, so that the files in it show whose they are.
chmodSync(folder, 0o755);
const SECRET = 'hunter2hunter2';
const QUESTION = {
  scope: { tenant: 'acme', environment: 'production', service: 'gw' },
  build: '7f3c2a10-2222-4222-8222-222222222222' as Guid,
  place: 'green',
};
const servers: FakePrometheus[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function server(options: FakeOptions = {}): Promise<FakePrometheus> {
  const one = await startFakePrometheus(options);
  servers.push(one);
  return one;
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function parsed(settings: Record<string, unknown>) {
  return prometheus.config.safeParse({ requests: 'x{build="${build}"}', status: 'code', timeout: '2s', ...settings });
}

function measure(settings: Record<string, unknown>, io = realIo) {
  const { data, error } = parsed(settings);
  if (error !== undefined) throw error;
  return prometheus.measure(data as PrometheusConfig, QUESTION, io);
}

const COUNTED = { requests: expect.any(Number), errors: 0, counting: 'total' };

describe('what a server is shown', () => {
  it('headers are sent as they stand, and parameters with every request', async () => {
    const { url, asked } = await server();
    expect(await measure({ url: `${url}/prefix`, headers: { 'X-Scope-OrgID': 'team-a' }, query: { dedup: 'true' } })).toEqual(
      COUNTED,
    );
    expect(asked[0]).toMatchObject({ path: '/prefix/api/v1/query', headers: { 'x-scope-orgid': 'team-a' } });
    expect(asked[0]?.parameters.get('dedup')).toBe('true');
  });

  it('a bearer token is read from its file at every request, without the newline at its end', async () => {
    const { url, asked } = await server();
    const token = file('token', `${SECRET}\n`);
    const settings = parsed({ url, bearer: { file: token } }).data as PrometheusConfig;
    expect(await prometheus.measure(settings, QUESTION, realIo)).toEqual(COUNTED);
    writeFileSync(token, 'rotated');
    await prometheus.measure(settings, QUESTION, realIo);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${SECRET}`, 'Bearer rotated']);
  });

  it('a password for basic authentication comes from an environment variable', async () => {
    const { url, asked } = await server();
    const io = { ...realIo, secret: (name: string) => (name === 'PROM_PASSWORD' ? SECRET : undefined) };
    expect(await measure({ url, basic: { username: 'deploy', password: { env: 'PROM_PASSWORD' } } }, io)).toEqual(COUNTED);
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from(`deploy:${SECRET}`).toString('base64')}`);
    const unset = await measure({ url, headers: { 'X-Api-Key': { env: 'PROM_UNSET' } } }, io);
    expect(unset).toEqual({
      missing: expect.stringMatching(/X-Api-Key: the environment variable PROM_UNSET is empty or not set/),
    });
    expect(asked).toHaveLength(1);
  });

  it('what a program printed is used for its lifetime, and asked for again after a refusal', async () => {
    let refused = false;
    const { url, asked } = await server({
      answer: (_asked, _request, response) => {
        if (refused) response.writeHead(403).end('no');
        return refused;
      },
    });
    const runs: number[] = [];
    const io = {
      ...realIo,
      run: async () => {
        runs.push(runs.length);
        return { exitCode: 0, stdout: `${SECRET}${runs.length}\n`, stderr: '' };
      },
    };
    const settings = parsed({ url, bearer: { program: ['/bin/token'] } }).data as PrometheusConfig;
    const ask = () => prometheus.measure(settings, QUESTION, io);
    await ask();
    await ask();
    expect(runs).toHaveLength(1);
    refused = true;
    expect(await ask()).toEqual({ missing: expect.stringMatching(/answered 403: it does not accept what it was given/) });
    refused = false;
    await ask();
    expect(runs).toHaveLength(2);
    expect(asked.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}2`);
    expect(prometheus.programs?.(settings)).toEqual([['/bin/token']]);
  });

  it('no message repeats a secret, even where the server does', async () => {
    const { url } = await server({
      answer: ({ headers }, _request, response) => {
        const error = `bad token ${headers.authorization}`;
        response.end(JSON.stringify({ status: 'error', errorType: 'bad_data', error }));
        return true;
      },
    });
    for (const given of [
      { bearer: { file: file('token', SECRET) } },
      { basic: { username: 'deploy', password: { file: file('password', SECRET) } } },
      { headers: { Authorization: { file: file('header', `Custom ${SECRET}`) } } },
    ]) {
      const found = JSON.stringify(await measure({ url, ...given }));
      expect(found).toContain('***');
      expect(found).not.toContain(SECRET);
      expect(found).not.toContain(Buffer.from(`deploy:${SECRET}`).toString('base64'));
    }
  });

  it.each([
    ['a file that every user can read', () => file('open', SECRET, 0o644), /any user can read .*: chmod o-r /],
    ['a file that every user can write', () => file('shared', SECRET, 0o602), /any user can write to it/],
    ['a file with a second line', () => file('lines', `${SECRET}\r\nx-admin: 1`), /line break/],
    ['an empty file', () => file('empty', '\n'), /is empty or not set/],
    ['a file that is not there', () => join(folder, 'nowhere'), /no such file/],
  ])('a secret from %s is not sent', async (_what, path, why) => {
    const { url, asked } = await server();
    const found = await measure({ url, bearer: { file: path() } });
    expect(found).toEqual({ missing: expect.stringMatching(why) });
    expect(JSON.stringify(found)).not.toContain(SECRET);
    expect(asked).toEqual([]);
  });

  it('a secret that all can read counts in a folder that only its owner can enter', async () => {
    const { url } = await server();
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    expect(await measure({ url, bearer: { file: file('closed/token', SECRET, 0o644) } })).toEqual(COUNTED);
  });
});

describe('a private CA and client certificates', () => {
  it('a server with a private CA is believed by its file, and shown the certificate that it asks for', async () => {
    const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' });
    const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
    openssl(`req -x509 ${key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca`);
    for (const [name, names] of [
      ['server', 'DNS:prometheus.example'],
      ['client', 'DNS:deploy'],
    ]) {
      openssl(`req ${key} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
      writeFileSync(join(folder, 'names.ext'), `subjectAltName=${names}\n`);
      openssl(`x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names.ext -out ${name}.pem`);
    }
    const pem = (name: string) => readFileSync(join(folder, name));
    const tls = {
      key: pem('server.key'),
      cert: pem('server.pem'),
      ca: pem('ca.pem'),
      requestCert: true,
      rejectUnauthorized: true,
    };
    const { url } = await server({ tls });
    const path = (name: string) => join(folder, name);
    const whole = {
      url,
      ca: path('ca.pem'),
      cert: path('client.pem'),
      key: path('client.key'),
      serverName: 'prometheus.example',
    };
    expect(await measure(whole)).toEqual(COUNTED);
    for (const [missing, why] of [
      ['ca', /cannot be queried: .*(?:self-signed|unable to (?:verify|get)).*private CA/],
      ['serverName', /does not match certificate/],
    ] as const)
      expect(await measure({ ...whole, [missing]: undefined })).toEqual({ missing: expect.stringMatching(why) });
    expect(await measure({ ...whole, cert: undefined, key: undefined })).toHaveProperty('missing');
    chmodSync(path('client.key'), 0o644);
    expect(await measure(whole)).toEqual({ missing: expect.stringMatching(/key: any user can read/) });
  });
});

describe('answers of servers in between', () => {
  it('a redirect is not followed, and its target shown without what may be secret in it', async () => {
    const elsewhere = await server();
    const { url } = await server({
      answer: (_asked, _request, response) => {
        response
          .writeHead(302, { location: elsewhere.url.replace('//', `//me:${SECRET}@`).concat('/sso/api/v1/query?state=abc') })
          .end();
        return true;
      },
    });
    const found = await measure({ url, bearer: { file: file('token', SECRET) } });
    const why = `${url} redirects to ${elsewhere.url}/sso; redirects are not followed: write the final address as url`;
    expect(found).toEqual({ missing: why });
    expect(elsewhere.asked).toEqual([]);
  });

  it('a server that refuses says what it may want', async () => {
    const { url } = await server({
      answer: ({ headers }, _request, response) => {
        if (headers['x-scope-orgid'] === undefined) response.writeHead(401).end('no org id\n');
        return headers['x-scope-orgid'] === undefined;
      },
    });
    expect(await measure({ url })).toEqual({
      missing: `${url} answered 401: it wants bearer, basic, or a header such as X-Scope-OrgID`,
    });
    expect(await measure({ url, headers: { 'X-Scope-OrgID': 'a' } })).toEqual(COUNTED);
  });

  it('a long query is sent by POST, and by GET where the server takes no POST', async () => {
    const { url, asked } = await server();
    const query = `x{build="\${build}",path!~"${'a'.repeat(2000)}"}`;
    expect(await measure({ url, requests: query })).toEqual(COUNTED);
    expect(asked.map(({ method }) => method)).toEqual(['POST']);
    expect(asked[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    const old = await server({
      answer: ({ method }, _request, response) => {
        if (method === 'POST') response.writeHead(405).end();
        return method === 'POST';
      },
    });
    expect(await measure({ url: old.url, requests: query })).toEqual(COUNTED);
    expect(old.asked.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  it('a server that is too slow is said to have timed out, without the query', async () => {
    const { url } = await server({ answer: () => true });
    expect(await measure({ url, timeout: '300ms' })).toEqual({
      missing: `${url} timed out after 0.3 s; timeout can be up to 15 s, as long as the interval`,
    });
    const late = { status: 'error', errorType: 'timeout', error: 'query timed out in expression evaluation' };
    const own = await server({
      answer: (_asked, _request, response) => Boolean(response.writeHead(503).end(JSON.stringify(late))),
    });
    expect(await measure({ url: own.url, timeout: '15s' })).toEqual({ missing: `${own.url} timed out after 15 s` });
  });

  it.each([
    [{ infos: ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x" (1:5)'] }],
    [{ warnings: ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count: "x" (1:5)'] }],
    [{ warnings: ['PromQL warning: quantile value should be between 0 and 1, got 2 (1:5)'] }],
    [{ isPartial: false }],
  ])('a remark about the query is no missing data: %j', async (notes) => {
    expect(await measure({ url: (await server({ notes })).url })).toEqual(COUNTED);
  });

  it.each([
    [{ warnings: ['No StoreAPIs matched for this query'] }],
    [{ warnings: ['receive series from Addr: 10.0.0.1:10901: rpc error: code = Unavailable'] }],
    [{ warnings: ['PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)'] }],
    [{ infos: ['PromQL info: ignored histogram in sum aggregation (1:5)'] }],
    [{ isPartial: true }],
  ])('what says that data was left out is missing data: %j', async (notes) => {
    expect(await measure({ url: (await server({ notes })).url })).toEqual({
      missing: expect.stringMatching(/only partial data: /),
    });
  });
});

describe('settings that are refused', () => {
  it.each([
    ['a header with a token', { headers: { Authorization: `Bearer ${SECRET}` } }, /does not stand in the config: write bearer/],
    ['a cookie', { headers: { Cookie: SECRET } }, /does not stand in the config: write \{ file/],
    ['a key of an API', { headers: { 'x-api-key': SECRET } }, /does not stand in the config/],
    ['a token under a plain name', { headers: { 'x-forward': `bearer ${SECRET}` } }, /does not stand in the config/],
    ['a header with a second line', { headers: { 'x-org': 'a\nb: c' } }, /one line of plain characters/],
    ['a header of its own', { headers: { Host: 'a' } }, /belongs to the request itself/],
    ['a token in the config', { bearer: SECRET }, /does not stand in the config/],
    ['a password in the config', { basic: { username: 'a', password: SECRET } }, /does not stand in the config/],
    ['two places for a secret', { bearer: { file: '/a', env: 'B' } }, /name one of file, env and program/],
    ['a lifetime of a file', { bearer: { file: '/a', lifetime: '5m' } }, /only what a program prints/],
    ['bearer and basic', { bearer: { env: 'A' }, basic: { username: 'a', password: { env: 'B' } } }, /keep one of the two/],
    ['a secret as a parameter', { query: { access_token: SECRET } }, /logged on its way/],
    ['a parameter of the API', { query: { time: '1' } }, /belongs to the request itself/],
    ['parameters in the address', { url: 'http://127.0.0.1:1/?tenant=a' }, /write them as query/],
    ['a password in the address', { url: `https://me:${SECRET}@prometheus.example` }, /user or password.*basic/],
    ['a secret over plain http', { url: 'http://prometheus.example', bearer: { env: 'A' } }, /unencrypted: use https/],
    ['a certificate without its key', { url: 'https://a', cert: '/a' }, /needs its private key/],
    ['a CA for plain http', { ca: '/a' }, /only an https address/],
    ['a file by a relative path', { bearer: { file: 'token' } }, /whole path/],
    ['a timeout above the interval', { timeout: '16s' }, /at most 15s.*a longer interval allows a longer timeout/],
  ])('the source prometheus refuses %s, and does not repeat it', (_what, settings, why) => {
    const { error } = parsed({ url: 'http://127.0.0.1:9090', ...settings });
    const said = JSON.stringify(error?.issues.map(({ message }) => message));
    expect(said).toMatch(why);
    expect(said).not.toContain(SECRET);
  });

  it.each([
    ['a timeout as long as the interval', { timeout: '30s', interval: '30s' }],
    ['an interval below the usual timeout', { interval: '200ms', timeout: undefined }],
    ['a secret over http on this machine', { url: 'http://[::1]:9090', bearer: { env: 'A' } }],
    ['plain headers over http', { url: 'http://mimir.example', headers: { 'X-Scope-OrgID': 'a' } }],
  ])('the source prometheus takes %s', (_what, settings) => {
    expect(parsed({ url: 'http://127.0.0.1:9090', ...settings }).error).toBeUndefined();
  });
});

describe('one series for both builds', () => {
  const GREEN = { ...QUESTION, version: '1.2' };
  const pair = { candidate: GREEN, stable: { ...GREEN, build: '0b9f5bd2-1111-4111-8111-111111111111' as Guid, place: 'blue' } };
  const config = (settings: Record<string, unknown>) => parsed(settings).data as PrometheusConfig;

  it('both builds are missing where they are counted by the same series, which is named', async () => {
    const { url } = await server({ labels: () => ({ __name__: 'x', instance: 'a' }) });
    const missing = expect.stringMatching(/^both builds are counted by the same series, x\{code="200",instance="a"\}/);
    expect(await prometheus.count(config({ url }), pair, realIo)).toEqual({ candidate: { missing }, stable: { missing } });
  });

  it('series of a sum have no name, and are counted though their labels are the same', async () => {
    const { url } = await server({ labels: () => ({ instance: 'a' }) });
    expect(await prometheus.count(config({ url }), pair, realIo)).toMatchObject({
      candidate: { targets: {} },
      stable: { targets: {} },
    });
  });

  it('the series below a sum are compared before a rollout, by the selectors that name a build', async () => {
    const requests = 'sum by (code) (x{place=~"${place}|a{2}"}) + y{build="${build}"} + z{a="b"}';
    const same = await server({ labels: () => ({ __name__: 'x', instance: 'a' }) });
    expect(await prometheus.shared?.(config({ url: same.url, requests }), pair, realIo)).toMatch(/the same series, x\{/);
    expect(same.asked[0]?.query).toContain('\nx{place=~"blue|a{2}"}\n');
    expect(same.asked[0]?.query).toContain(`\ny{build="${GREEN.build}"}\n`);
    expect(same.asked[0]?.query).not.toContain('sum');
    expect(same.asked[0]?.query).not.toContain('z{');
    const other = await server();
    expect(await prometheus.shared?.(config({ url: other.url, requests }), pair, realIo)).toBeUndefined();
  });
});

describe('a real Prometheus that wants a password', () => {
  it('a real Prometheus with basic_auth_users is asked with the user and password that it has', async () => {
    const backend = await startBackend({ guid: QUESTION.build });
    // Of the password `test`.
    const hash = '$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay';
    const real = await startPrometheus({
      targets: [`127.0.0.1:${backend.port}`],
      basicAuth: { user: 'admin', password: 'test', hash },
    });
    try {
      await load(`http://127.0.0.1:${backend.port}/`, { count: 5 });
      const requests = 'http_requests_total{build="${build}"}';
      const settings = { url: real.url, requests, interval: '1s' };
      const basic = { username: 'admin', password: { file: file('real', 'test\n') } };
      await until('the backend was scraped', async () =>
        (await real.value('sum(http_requests_total)')) === 5 ? true : undefined,
      );
      expect(await measure({ ...settings, basic })).toEqual({ requests: 5, errors: 0, counting: 'total' });
      expect(await measure(settings)).toEqual({ missing: expect.stringMatching(/answered 401: it wants bearer, basic/) });
    } finally {
      await Promise.all([real.stop(), backend.close()]);
    }
  }, 40_000);
});
