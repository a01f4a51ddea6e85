/** The hazards of the way back: no known-good build, a way that runs through what changes, a disk that forgets. No I/O. */
import type { Change } from '../break-glass/changes.ts';
import { absent, byChecks, type DescribedHazard, engineering, type Looked, lookedAt, seen, unsure } from './hazard-sight.ts';
import { shortGuid } from './scope.ts';

export const WAY_BACK_HAZARDS: readonly DescribedHazard[] = [
  {
    id: 'no-known-good',
    hazard: 'There is no known-good build to go back to.',
    fix: 'Take over what serves now: kvdeploy adopt.',
    controls: (looked) => [
      engineering(
        'the pointer on local disk verifies, and its build serves and answers now',
        byChecks(looked, 'no-known-good', knownGoodText(looked)),
      ),
    ],
  },
  {
    id: 'way-back-depends',
    hazard: 'The way back depends on what is being changed.',
    fix: 'Give the router an address of its own, and the new build another place than the known-good one.',
    controls: (looked) => [
      engineering('both builds have a place of their own', byChecks(looked, 'way-back-depends', placesText(looked))),
      engineering('no change that restores runs through the service itself', throughService(looked)),
      engineering('a copy of the pointer lies on another disk', copySight(looked)),
    ],
  },
  {
    id: 'disk',
    hazard: 'The disk cannot keep what it acknowledges.',
    fix: 'Put the state on a local disk with room: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
    controls: (looked) => [
      engineering(
        'a file is written, linked, flushed and read back',
        byChecks(looked, 'disk', 'done just now', unsure('only promote tries it, since that writes a file')),
      ),
      engineering('the filesystem keeps what it flushes', filesystemSight(looked)),
      engineering(
        'the pointer that was written last reads back whole',
        looked.pointerGeneration === null ? unsure('there is none yet') : seen(`generation ${looked.pointerGeneration}`),
      ),
    ],
  },
];

function knownGoodText({ plan, pointerGeneration }: Looked): string {
  const stable = plan?.stable ?? null;
  const build = stable === null ? '' : `${shortGuid(stable.guid)} at ${stable.ref}, `;
  return `${build}generation ${pointerGeneration ?? 'unknown'}`;
}

function placesText({ plan }: Looked): string {
  return plan === null ? '' : `${plan.candidate.ref} and ${plan.stable?.ref ?? 'none'}`;
}

/** A restoring change that is sent to a member of the target needs the very service that may be down by then. */
function throughService({ wayBack, members }: Looked) {
  const own = new Map((members ?? []).flatMap(({ place, address }) => (address === null ? [] : [[hostOf(address), place]])));
  return lookedAt(wayBack, (changes) => {
    const hosts = changes.flatMap(remoteHost);
    const through = hosts.find((host) => own.has(host));
    if (through !== undefined) return absent(`a restoring change goes to ${through}, which is ${own.get(through)}`);
    return seen(hosts.length === 0 ? 'files and sockets of this host only' : hosts.join(', '));
  });
}

/** Where a change goes over the network: `host:port`. */
function remoteHost(change: Change): readonly string[] {
  switch (change.kind) {
    case 'request':
      return [hostOf(change.url)];
    case 'socket':
      return change.address.startsWith('/') ? [] : [change.address.toLowerCase()];
    case 'write-file':
    case 'run':
      return [];
  }
}

/** `http://127.0.0.1:9001` as `127.0.0.1:9001`, with the port that it has when it says none. */
function hostOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function copySight({ copies }: Looked) {
  if (copies.length === 0) return unsure('no copy is configured (pointer: copies)');
  const elsewhere = copies.find((copy) => copy.elsewhere === true);
  if (elsewhere !== undefined) return seen(elsewhere.dir);
  const unseen = copies.find((copy) => copy.elsewhere === null);
  return unsure(unseen === undefined ? 'every copy lies on the disk of the state' : `${unseen.dir} cannot be looked at`);
}

function filesystemSight({ disk: { kind, name } }: Looked) {
  switch (kind) {
    case 'durable':
      return seen(name);
    case 'unsure':
      return unsure(`${name}: its promises depend on somebody else`);
    case 'volatile':
      return absent(`${name} is gone after a restart`);
  }
}
