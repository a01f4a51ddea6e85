/** The JSON Schemas that editors use against zod, which decides: of one mind, apart from the rules that are named here. */
import { Ajv } from 'ajv';
import type * as z from 'zod';
import { schemaText } from '../../../src/config/json-schemas.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { manifestSchema } from '../../../src/core/manifest/manifest.ts';
import { mutated } from '../hostile.ts';
import { must, type Sweep } from '../sweep.ts';
import { configOf } from './config.ts';
import { manifestOf } from './manifests.ts';

type Issue = z.core.$ZodIssue;

const said = (text: RegExp) => (issue: Issue) => text.test(issue.message);

/** What only zod knows. JSON Schema draft-07 cannot say it, so an editor does not underline it; `validate` does. */
const ONLY_ZOD: readonly (readonly [string, (issue: Issue) => boolean])[] = [
  ['names that Windows keeps for devices', said(/reserved device name/)],
  ['lengths, where JSON Schema counts code points and JavaScript UTF-16 units', isLongInUnitsAlone],
  ['lengths of socket paths, which the kernel counts in bytes', said(/^a socket path has at most 107 bytes$/)],
  ['dates that are on no calendar', (issue) => issue.code === 'invalid_format' && issue.format === 'datetime'],
  ['durations of more than 30 days', said(/not a duration/)],
  ['durations of nothing, and bounds of durations', said(/longer than 0|poll interval is|at most 2s|at most 30s/)],
  ['shares of more than 100 %', said(/a share is at most 100%/)],
  ['steps that rise and end at 100 %', said(/percentages must increase|the last step has/)],
  ['gates with one name', said(/there is already a gate called .* above/s)],
  ['environments that are not there, or require themselves', said(/this tenant has no environment|requires itself/)],
  ['sockets and state files that do not pair up', said(/each socket once|one file per socket/)],
  [
    'a router without a place, and members of two',
    said(/at least one place|either addresses or places|already a member of|more than the place has/),
  ],
  [
    'an identity with two answers or none, and ways that contradict each other',
    said(/give one of header, json|give the path|give either|asks in its own way|needs json too|is for https|at most 16 keys/),
  ],
  [
    'an identity of a place that does not fit, and none where it is protected',
    said(/with that of the service|says identity: none|identity: none is for others/),
  ],
  [
    'queries: placeholders, rates, made-up samples and control characters',
    said(
      /no placeholder|label matcher|would count all builds together|raw counter total|missing data would look like zero|control characters/,
    ),
  ],
  ['labels that have a meaning of their own', said(/le names the bounds of buckets|a different label than status/)],
  [
    'sources that could not tell errors or builds',
    said(/define which requests failed|one argument must contain|add a latency query/),
  ],
  [
    'gates without a source, which the reader of a config gives to those that the router counts',
    (issue) => issue.code === 'invalid_union' && 'discriminator' in issue && issue.discriminator === 'source',
  ],
  ['gates that are only a word, beside a router that counts nothing', said(/counts failures itself/)],
  ['shares and spans that make no gate', said(/a share above 0%|a probability above 0%|at least 50%|at least 100ms/)],
  ['addresses that are no address', said(/an address like|contains a user or password|contains parameters|contains a #/)],
  [
    'secrets, headers and certificates that do not fit together',
    said(
      /does not stand in the config|belongs to the request|name one of file|only what a program prints|logged on its way|needs its/,
    ),
  ],
  [
    'the same of where they are sent',
    said(/only an https|unencrypted|keep one of the two|one line of plain|set this header already/),
  ],
  ['times that depend on others', said(/a poll must end before|from 1s to 24h/)],
  ['names that are no gRPC code', said(/^a status such as 301, 3xx, or NOT_FOUND for gRPC$/)],
  ['numbers of labels', said(/at most 32 labels/)],
];

/** Short enough in code points. */
function isLongInUnitsAlone(issue: Issue): boolean {
  if (issue.code !== 'too_big' || issue.origin !== 'string' || typeof issue.input !== 'string') return false;
  return [...issue.input].length <= Number(issue.maximum);
}

/** A key `__proto__` never gets to either: it is refused when the text is read. */
function hasProtoKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProtoKey);
}

const ajv = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: true });
const SCHEMAS = {
  'release-manifest': { accepts: ajv.compile(JSON.parse(schemaText('release-manifest'))), zod: manifestSchema },
  config: { accepts: ajv.compile(JSON.parse(schemaText('config'))), zod: configSchema },
} as const;

interface Generated {
  readonly schema: keyof typeof SCHEMAS;
  readonly document: unknown;
}

export const schemas: Sweep<Generated> = {
  name: 'schemas',
  what: 'documents held against zod and the JSON Schema',
  kind: 'objects',
  share: 1,
  make: (luck) => {
    const schema = luck.pick(['release-manifest', 'config'] as const);
    const good = schema === 'config' ? configOf(luck) : manifestOf(luck, luck.pick(['production', 'staging', 'con']));
    return { schema, document: mutated(luck, good) };
  },
  judge: ({ schema, document }) => {
    if (!Object.hasOwn(SCHEMAS, schema) || hasProtoKey(document)) return 'refused when read';
    const { accepts, zod } = SCHEMAS[schema];
    const parsed = zod.safeParse(document, { reportInput: true });
    const isFine = accepts(document);
    if (parsed.success) {
      must(isFine, `only the JSON Schema refuses: ${ajv.errorsText(accepts.errors)}`);
      return 'both take it';
    }
    if (!isFine) return 'both refuse it';
    for (const issue of parsed.error.issues) mustBeListed(issue);
    return 'only zod refuses it';
  },
  must: ['both take it', 'both refuse it', 'only zod refuses it'],
};

/** Of a choice, such as a word or a map, one that fails by such rules alone. */
function isListed(issue: Issue): boolean {
  if (issue.code === 'invalid_union' && issue.errors.some((branch) => branch.length > 0 && branch.every(isListed))) return true;
  return ONLY_ZOD.some(([, knows]) => knows(issue));
}

function mustBeListed(issue: Issue): void {
  must(isListed(issue), `only zod refuses, by a rule that is not listed: ${issue.path.join('.')}: ${issue.message}`);
}
