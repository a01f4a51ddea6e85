/**
 * The GUID of a build, derived from its scope and from what was built: one commit that is built for two environments has two GUIDs, and
 * whoever derives it gets the same one. No I/O.
 */
import { createHash } from 'node:crypto';
import type { Scope } from '../../base/scope.ts';
import { type Guid, parseGuid, scopeText } from '../scope.ts';
import type { Build } from './manifest.ts';

/** What was built: its bytes, its source, or both. */
export interface Made {
  /** `sha256:…` of the bytes; undefined where only the source is known. */
  readonly digest: string | undefined;
  readonly source: Build['source'] | undefined;
}

/** The namespace of URLs: RFC 9562, 6.6. */
const OF_URLS = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

/** Digest and GUID of a build of this scope. The GUID's name is the digest where there is one, else `repository@commit`. */
export function derived({ digest, source }: Made, scope: Scope): Pick<Build, 'guid' | 'digest' | 'digestOf'> {
  const name = digest ?? sourceName(source);
  return {
    guid: uuidV5(uuidV5(OF_URLS, `kvdeploy:${scopeText(scope)}`), name),
    ...(digest === undefined ? { digest: sha256(name), digestOf: 'source' } : { digest }),
  };
}

/** The digest of these bytes, as a manifest writes it. */
export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function sourceName(source: Made['source']): string {
  if (source === undefined) throw new Error('a build has a digest or a source');
  return `${source.repository}@${source.commit}`;
}

/** A name-based GUID: RFC 9562, 5.5. SHA-1 only spreads names; nothing is signed by it. */
function uuidV5(namespace: string, name: string): Guid {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  const text = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  const guid = parseGuid(text);
  if (guid === undefined) throw new Error(`${text} is not a GUID`);
  return guid;
}
