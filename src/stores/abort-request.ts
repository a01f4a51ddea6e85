/** A wish to abort, as a file beside the owner's segment. Must not lose a wish because it cannot be read. */
import * as z from 'zod';
import type { AbortRequest } from './store.ts';

export const MAX_REQUEST_BYTES = 64 * 1024;

const requestSchema = z.strictObject({ actor: z.string(), reason: z.string(), atMs: z.number() });

export function requestBytes(request: AbortRequest): Buffer {
  return Buffer.from(`${JSON.stringify(requestSchema.parse(request))}\n`);
}

/** What the file says. One that cannot be read is still a wish to abort: aborting is the safe side. */
export function parseRequest(bytes: Buffer, nowMs: number): AbortRequest {
  try {
    return requestSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return { actor: 'unknown', reason: 'unreadable request', atMs: nowMs };
  }
}
