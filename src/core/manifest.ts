/** The release manifest: its zod definition (the only one) and the rules that hold between manifests. No I/O. */
import * as z from 'zod';
import { type Guid, nameSchema, parseGuid, type Scope } from './scope.ts';

export const guidSchema = z.string().transform((text, check): Guid => {
  const guid = parseGuid(text);
  if (guid === undefined) {
    check.issues.push({ code: 'custom', message: 'not a GUID (8-4-4-4-12 hex digits)', input: text });
    return z.NEVER;
  }
  return guid;
});

export const buildSchema = z.strictObject({
  guid: guidSchema,
  version: z.string().min(1).max(128),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 lower-case hex digits'),
  sequence: z.int().min(0),
  createdAt: z.iso.datetime({ offset: true }),
  ref: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'a ref has letters, digits and . _ : - only'),
  environment: nameSchema.optional(),
  source: z.strictObject({ repository: z.string().min(1).max(512), commit: z.string().regex(/^[0-9a-f]{7,64}$/) }).optional(),
  record: z.string().optional(),
});

/** One build as a manifest offers it; the GUID is canonical. */
export type Build = z.infer<typeof buildSchema>;

export const manifestSchema = z.strictObject({
  apiVersion: z.literal('kvdeploy.dev/v1'),
  kind: z.literal('ReleaseManifest'),
  tenant: nameSchema,
  environment: nameSchema,
  service: nameSchema,
  builds: z.array(buildSchema).max(10_000),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** Where a build stands: for messages that name file and line. */
export interface ListedBuild {
  readonly scope: Scope;
  readonly build: Build;
  readonly file: string;
  /** Of the GUID, from 1. */
  readonly line: number;
  readonly column: number;
}
