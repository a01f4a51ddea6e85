/** A detector for what a query selects of two builds, and for what a finding shows of a secret. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { findingAt, sourceText } from '../../src/config/parse/source.ts';
import type { Io } from '../../src/io.ts';
import { filled } from '../../src/metrics/prometheus/placeholders.ts';
import { type PrometheusConfig, prometheus } from '../../src/metrics/prometheus/prometheus.ts';
import { CANDIDATE, SCOPE, STABLE } from '../core/manifest/builds.ts';

const question = ({ guid, ref, version }: typeof CANDIDATE) => ({
  scope: SCOPE,
  build: guid,
  place: ref,
  version,
  address: null,
});

/** A server that gives both builds one and the same series. */
async function http() {
  const metric = { __name__: 'x', instance: 'a', code: '200', kvdeploy_counter: 'requests' };
  const result = ['candidate', 'stable'].map((arm) => ({ metric: { ...metric, kvdeploy_build: arm }, value: [1, '9'] }));
  return { status: 200, headers: {}, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
}

/** Both builds by one series, a version in a regular expression, and a password in an address that is refused. */
export async function queries(): Promise<readonly string[]> {
  const settings = prometheus.config.parse({ url: 'http://127.0.0.1:1', requests: 'x{place=~"${place}|a"}', status: 'code' });
  const io = { http, now: () => 1000, monotonic: () => 0 } as unknown as Io;
  const pair = { candidate: question(CANDIDATE), stable: question(STABLE) };
  const { candidate } = await prometheus.count(settings as PrometheusConfig, pair, io);
  const asked = filled('x{version=~"${version}"}', { ...question(CANDIDATE), version: '1.2' });
  const text = 'url: https://me:hunter2@prometheus.example, bearer: hunter3';
  const trouble = { code: 'SCHEMA', message: 'No.', fix: 'Fix it.' } as const;
  const { frame } = findingAt(sourceText('config.yaml', text), { from: 5, to: 9 }, trouble);
  return [
    ...('missing' in candidate ? [] : ['counts both builds by the same series']),
    ...(asked === 'x{version=~"1\\\\.2"}' ? [] : [`asks for ${asked}`]),
    ...(/hunter/.test(JSON.stringify(frame)) ? ['shows a secret'] : []),
  ];
}
