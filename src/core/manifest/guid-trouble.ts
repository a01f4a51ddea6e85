/** Why a text is no GUID, and how to get one from what people have instead: a commit, a digest, a version, a ULID. No I/O. */

/** Why, as precisely as a person can use it, and what to do. */
export interface GuidTrouble {
  readonly why: string;
  readonly fix: string;
}

const SHAPE = 'it needs 8-4-4-4-12 hex digits with hyphens between them';

const RECIPE =
  'The GUID is the UUIDv5 of the digest, or of repository@commit, in a namespace of its scope (docs/builds.md). The running build reports it too.';

const add = (how: string) => `kvdeploy builds add --env E ${how} --ref PLACE`;

/** What people write where a GUID belongs, each with the words for it and the fix. */
const KINDS: readonly (readonly [RegExp, string, (text: string) => string])[] = [
  [
    /^[0-9a-f]{32}$/i,
    'this has the digits, but no hyphens',
    (text) => {
      const hex = text.toLowerCase();
      const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
      return `If it is a GUID, write it as ${parts.join('-')}; if not, kvdeploy derives one: ${add('--version V --digest D')}`;
    },
  ],
  [
    /^(?:\S+@)?sha256:[0-9a-f]{64}$/i,
    'this looks like an image digest',
    (text) => derive('the digest', `--version V --digest ${/[^@]*$/.exec(text)?.[0]}`),
  ],
  [
    /^[0-9a-f]{7,40}$|^[0-9a-f]{64}$/i,
    'this looks like a git commit',
    (text) => derive('the commit', `--version V --commit ${text.toLowerCase()} --repository URL`),
  ],
  [
    /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i,
    'this looks like a ULID',
    (text) => derive('the digest, and keep the ULID as a label', `--version V --digest D --label ulid=${text}`),
  ],
  [
    /^v?\d+(?:\.\d+)+(?:[-+.][\w.+-]*)?$/i,
    'this looks like a version',
    (text) => derive('the digest, as a version may be built twice', `--version ${text} --digest D`),
  ],
];

/** Says what `text` is instead of a GUID. */
export function guidTrouble(text: string): GuidTrouble {
  if (/^[0-]+$|^[f-]+$/i.test(text) && text.length === 36)
    return { why: 'the nil and the max GUID are no build', fix: derive('what was built', '--version V --digest D') };
  const kind = KINDS.find(([pattern]) => pattern.test(text));
  if (kind !== undefined) return { why: `${SHAPE}; ${kind[1]}`, fix: kind[2](text) };
  const fix = derive('what was built', '--version V --digest D');
  return { why: misspelt(text) ?? SHAPE, fix };
}

function derive(from: string, how: string): string {
  return `Let kvdeploy derive it from ${from}, and write the row: ${add(how)}. ${RECIPE}`;
}

/** What is wrong with a text of five groups. */
function misspelt(text: string): string | undefined {
  const groups = text.split('-');
  if (groups.length !== 5) return undefined;
  const names = ['first', 'second', 'third', 'fourth', 'last'];
  const lengths = [8, 4, 4, 4, 12];
  const odd = /[^0-9a-f-]/i.exec(text)?.[0];
  if (odd !== undefined) return `it has the character ${JSON.stringify(odd)}, which is not a hex digit`;
  const wrong = groups.findIndex((group, index) => group.length !== lengths[index]);
  return `the ${names[wrong]} group has ${groups[wrong]?.length} of ${lengths[wrong]} digits`;
}
