/** A stream as a poll leaves it, made without literals for speed alone. Must hold nothing that streamSchema does not. No I/O. */
import type { Block } from './e-process.ts';
import type { Seen, Stream } from './evidence-stream.ts';

/**
 * V8 measures literals: where those of the first polls live on, it makes all later ones among its old objects, which keep each state alive
 * through the one before, and a poll of a thousand slices costs twice as much. What constructors make is young.
 */
export class FedStream implements Stream {
  readonly share: Stream['share'];
  readonly absolute: Stream['absolute'];
  readonly count: Stream['count'];
  readonly certificate: Stream['certificate'];
  readonly open: Stream['open'];
  readonly step: Stream['step'];
  readonly all: Stream['all'];
  readonly recent: Stream['recent'];
  readonly last: Stream['last'];

  constructor(fields: Stream) {
    this.share = fields.share;
    this.absolute = fields.absolute;
    this.count = fields.count;
    this.certificate = fields.certificate;
    this.open = fields.open;
    this.step = fields.step;
    this.all = fields.all;
    this.recent = fields.recent;
    this.last = fields.last;
  }
}

/** The counts with those of a block, as far as its builds were seen. */
export function withBlock(counts: Stream['all'], { candidate, stable }: Block, arms: Seen['arms']): Stream['all'] {
  if (arms === 'neither') return counts;
  // A copy, and no literal either.
  const sum: Stream['all'] = [...counts];
  sum[0] += candidate.requests;
  sum[1] += candidate.failures;
  if (arms === 'candidate') return sum;
  sum[2] += stable.requests;
  sum[3] += stable.failures;
  return sum;
}
