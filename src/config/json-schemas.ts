/** The JSON Schemas for editors and scripts, made from the zod definitions. Must not contain a definition of its own. */
import * as z from 'zod';
import { manifestSchema } from '../core/manifest/manifest.ts';
import { outputLineSchema } from '../core/output.ts';
import { askedSchema, identifySchema, readSchema, setSchema } from '../routers/command/command-protocol.ts';
import { machineSchema } from './machine-schema.ts';
import { configSchema } from './schema.ts';

const SCHEMAS = {
  'release-manifest': manifestSchema,
  config: configSchema,
  'output-line': outputLineSchema,
  machine: machineSchema,
  'command-asked': askedSchema,
  'command-set': setSchema,
  'command-read': readSchema,
  'command-identify': identifySchema,
} as const;

export type SchemaName = keyof typeof SCHEMAS;

export const schemaNames = Object.keys(SCHEMAS) as readonly SchemaName[];

/** Draft 7 of JSON Schema, because SchemaStore and the YAML language server support it best. Describes the files as written. */
export function schemaText(name: SchemaName): string {
  return `${JSON.stringify(z.toJSONSchema(SCHEMAS[name], { target: 'draft-07', io: 'input', override: anyFits }), null, 2)}\n`;
}

/** A gate without a source fits every router that counts: one of them is enough. */
function anyFits({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { def } = zodSchema._zod;
  if (!('discriminator' in def && def.discriminator === 'source') || jsonSchema.oneOf === undefined) return;
  jsonSchema.anyOf = jsonSchema.oneOf;
  delete jsonSchema.oneOf;
}
