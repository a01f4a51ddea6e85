/** The release manifest: its zod definition, the only one. No I/O. */
import * as z from 'zod';
import type { Scope } from '../../base/scope.ts';
import type { Place } from '../errors.ts';
import { type Guid, nameSchema, parseGuid } from '../scope.ts';
import { guidTrouble } from './guid-trouble.ts';

const HEX_GUID = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}';

export const guidSchema = z
  .string()
  .transform((text, check): Guid => {
    const guid = parseGuid(text);
    if (guid === undefined) {
      const { why, fix } = guidTrouble(text);
      check.issues.push({ code: 'custom', message: `not a GUID: ${why}`, input: text, params: { fix } });
      return z.NEVER;
    }
    return guid;
  })
  .meta({ pattern: `^([uU][rR][nN]:[uU][uU][iI][dD]:${HEX_GUID}|\\{${HEX_GUID}\\}|${HEX_GUID})$` });

const sourceSchema = z
  .strictObject({
    repository: z.string().min(1).max(512).describe('Repository of the source, such as https://example.com/acme/gateway'),
    commit: z
      .string()
      .regex(/^[0-9a-f]{7,64}$/, 'a commit has 7 to 64 lower-case hex digits')
      .describe('The commit that was built, such as 3f2a9c1d; in quotes when it has digits only'),
  })
  .describe('The source that was built. `promote --from` uses it to find the build of the same source');

export const buildSchema = z.strictObject({
  guid: guidSchema.describe(
    'The build, such as 7c9e6679-7425-40de-944b-e07fc1f90ae7; compared in one canonical form. `kvdeploy builds add` derives it',
  ),
  version: z.string().min(1).max(128).describe('The version shown to people, such as "2026.11.21-3"'),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 lower-case hex digits')
    .describe('The digest of the build, such as sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'),
  digestOf: z
    .literal('source')
    .optional()
    .describe('Says that the digest is of repository@commit, not of bytes: kvdeploy builds add knew only the commit'),
  sequence: z
    .int()
    .min(0)
    .describe('A number that increases with every build of this tenant, environment and service, such as 41'),
  createdAt: z.iso.datetime({ offset: true }).describe('When it was built, such as 2026-11-21T09:12:00Z'),
  ref: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'a ref has letters, digits and . _ : - only')
    .describe('What the router calls its place: a server, a version id, a Service, such as green'),
  environment: nameSchema
    .optional()
    .describe('Set by CI: the environment it may enter, such as production. A stamp that differs from the file refuses the file'),
  source: sourceSchema.optional(),
  record: z.string().optional().describe('The signed record that binds the build to its scope'),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe('What the metrics of this build are labelled with, such as { pod_template_hash: 6d5f8c }'),
});

/** Controls, line ends and separators, and marks that turn the direction of text: one line stays one line wherever it is shown. */
const ONE_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]*$/u;

const oneLine = <Schema extends z.ZodString>(schema: Schema) => schema.regex(ONE_LINE, 'one line, without control characters');

/** The name of a label of a build, as of a metric. */
export const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** As a manifest lists it. What older ledgers and pointers have is read as it is. */
export const listedBuildSchema = buildSchema.extend({
  version: oneLine(buildSchema.shape.version).describe(buildSchema.shape.version.description ?? ''),
  source: sourceSchema
    .extend({ repository: oneLine(sourceSchema.shape.repository).describe(sourceSchema.shape.repository.description ?? '') })
    .describe(sourceSchema.description ?? '')
    .optional(),
  record: oneLine(z.string())
    .optional()
    .describe(buildSchema.shape.record.description ?? ''),
  labels: z
    .record(
      z.string().regex(LABEL_NAME, 'not the name of a label: letters, digits and _ only, and no digit first'),
      oneLine(z.string().min(1).max(256)).describe('A value, in quotes when it could be a number, such as "6d5f8c"'),
    )
    .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels')
    .optional()
    .describe(buildSchema.shape.labels.description ?? ''),
});

/** One build as a manifest offers it; the GUID is canonical. */
export type Build = z.infer<typeof buildSchema>;

export const manifestSchema = z
  .strictObject({
    apiVersion: z.literal('kvdeploy.dev/v1').describe('Always kvdeploy.dev/v1'),
    kind: z.literal('ReleaseManifest').describe('Always ReleaseManifest'),
    tenant: nameSchema.describe('Whose releases these are, such as acme'),
    environment: nameSchema.describe('The only environment that these builds may enter, such as production'),
    service: nameSchema.describe('What is released, such as kv-gateway'),
    builds: z
      .array(listedBuildSchema)
      .max(10_000)
      .describe('The builds that may be promoted in this environment, for example [{ guid: …, ref: green, … }]'),
  })
  .meta({
    title: 'kvdeploy release manifest',
    description: 'Lists the builds that may be promoted in one environment of one service.',
  });

export type Manifest = z.infer<typeof manifestSchema>;

/** A build and where its GUID stands: for messages that name file and line. */
export interface ListedBuild extends Required<Omit<Place, 'note'>> {
  readonly scope: Scope;
  readonly build: Build;
}

/** Where the row of a build is, for an error. */
export function placeOf({ file, line, column }: ListedBuild, note?: string): Place {
  return { file, line, column, ...(note === undefined ? {} : { note }) };
}

export function scopeOf(manifest: Manifest): Scope {
  return { tenant: manifest.tenant, environment: manifest.environment, service: manifest.service };
}
