/** Values of a status label: HTTP, classes or gRPC, told apart by all of them together, and refused where they are mixed. */
import { describe, expect, it } from 'vitest';
import { GRPC_METRICS, metricOfStatus } from '../../../src/core/gates/counting/statuses.ts';
import { prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { hiddenGrpc, statusReading } from '../../../src/metrics/prometheus/prometheus-status.ts';

function metricsOf(label: string, texts: readonly string[]) {
  const reading = statusReading(label, texts);
  if ('fault' in reading) return reading.fault;
  return texts.map((text) => {
    const status = reading.read(text);
    return typeof status === 'string' ? metricOfStatus(status, reading.metrics) : status.fault;
  });
}

describe('a status label with gRPC codes', () => {
  it.each([
    ['grpc_code', ['OK', 'Unavailable', 'NotFound'], [undefined, 'errors', 'NOT_FOUND']],
    ['grpc_status', ['0', '14', '2', '5', '16'], [undefined, 'errors', 'errors', 'NOT_FOUND', 'UNAUTHENTICATED']],
    ['grpc_response_status', ['0'], [undefined]],
    ['grpc_code', ['OK', 'Canceled', 'DATA_LOSS', '42'], [undefined, 'other gRPC codes', 'errors', 'errors']],
    ['code', ['OK', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'], [undefined, 'errors', 'errors']],
    ['code', ['0', '13'], [undefined, 'errors']],
  ])('the label %s with %j is read as gRPC codes, of which 0 and OK are good', (label, texts, expected) => {
    expect(metricsOf(label, texts)).toEqual(expected);
  });

  it.each([
    ['grpc_status', ['0', '200'], /has HTTP statuses and gRPC codes \(0, 200\)/],
    ['code', ['200', 'Unavailable'], /has HTTP statuses and gRPC codes/],
    ['code', ['0', '2'], /may be gRPC codes or HTTP classes; for gRPC write label_replace/],
    ['code', ['0'], /may be gRPC codes or HTTP classes/],
  ])('the label %s with %j is refused with what to do', (label, texts, fault) => {
    expect(metricsOf(label, texts)).toMatch(fault);
  });

  it('a label with HTTP statuses is read as before, with none for a request without an answer', () => {
    expect(metricsOf('code', ['200', '503', '0'])).toEqual([undefined, 'errors', 'errors']);
    expect(metricsOf('code', ['2', '5'])).toEqual([undefined, 'errors']);
    expect(metricsOf('grpc_code', ['OK', 'maybe'])).toEqual([
      undefined,
      'grpc_code="maybe" is not a gRPC code; add an errors query',
    ]);
  });

  it('every gRPC code that is not OK has a metric', () => {
    for (let code = 1; code <= 17; code += 1) {
      const reading = statusReading('grpc_code', [String(code)]);
      const status = 'fault' in reading ? '' : reading.read(String(code));
      expect(GRPC_METRICS.map(({ metric }) => metric)).toContain(metricOfStatus(String(status), GRPC_METRICS));
    }
  });
});

describe('gRPC behind HTTP statuses that never change', () => {
  const series = (code: string, grpc?: string) => ({
    labels: { code, ...(grpc === undefined ? {} : { grpc_response_status: grpc }) },
    value: '1',
  });

  it('a gRPC label next to HTTP statuses that are all 200 is found: in all series it is refused, in some plan names it', () => {
    expect(hiddenGrpc('code', [series('200', '0'), series('200')])).toEqual({
      grpc: 'grpc_response_status',
      inAll: false,
    });
    expect(hiddenGrpc('code', [series('200', '0')])).toMatchObject({ inAll: true });
    expect(hiddenGrpc('code', [series('200', '0'), series('503', '0')])).toBeUndefined();
    expect(hiddenGrpc('code', [series('200')])).toBeUndefined();
    const config = prometheus.config.parse({ url: 'http://127.0.0.1:9', requests: 'r{build="${build}"}', status: 'code' });
    const grpc = prometheus.config.parse({ url: 'http://127.0.0.1:9', requests: 'r{build="${build}"}', status: 'grpc_code' });
    expect(prometheus.unseen(grpc as never, { limited: true }).join()).not.toMatch(/gRPC/);
    const found = (inAll: boolean) => ({ targets: {}, hidden: { grpc: 'grpc_response_status', inAll } });
    expect(prometheus.unseen(config as never, { limited: false, seen: found(false) }).join('\n')).toMatch(
      /gRPC statuses: every code is 2xx, and some series have grpc_response_status/,
    );
    expect(prometheus.unproven?.(config as never, found(false))).toBeUndefined();
    expect(prometheus.unproven?.(config as never, found(true))).toMatch(/write status: grpc_response_status$/);
  });
});
