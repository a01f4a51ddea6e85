/** The settings of the local router, and the members that they name. Must not ask anyone. */
import * as z from 'zod';
import { placeNameSchema, placeSettingsShape } from '../places-config.ts';

const urlSchema = z.string().regex(/^http:\/\/[^/?#@\s]+\/?$/, 'a URL like http://127.0.0.1:9002');

const urlsSchema = z.array(urlSchema).min(1).max(1000);

const placeSchema = z.union(
  [
    urlsSchema.describe('The URL of each member: [http://127.0.0.1:9001, http://127.0.0.1:9011]'),
    z
      .strictObject({ urls: urlsSchema.describe('The URL of each member'), ...placeSettingsShape })
      .refine(({ urls, minUp = 1 }) => minUp <= urls.length, { path: ['minUp'], error: 'more than the place has members' })
      .describe('The same with settings of this place'),
  ],
  { error: 'a place is a list of URLs, such as [http://127.0.0.1:9001]' },
);

/** The router's settings in a config, without `kind`. */
export const localConfig = z
  .strictObject({
    listen: z
      .string()
      .regex(/^(?:[0-9.]+|\[[0-9A-Fa-f:]+\]|localhost):[1-9][0-9]{0,4}$/, 'an address like 127.0.0.1:8080')
      .describe('Where `kvdeploy serve` listens: host:port'),
    routes: z
      .string()
      .regex(/^\//, 'an absolute path')
      .describe('The routes file: kvdeploy writes it, `kvdeploy serve` applies it'),
    addresses: z
      .record(placeNameSchema, urlSchema)
      .refine(isFilled, 'at least one place')
      .optional()
      .describe('The address of each place, where every place has one member; its name is the `ref` of a build'),
    places: z
      .record(placeNameSchema, placeSchema)
      .refine(isFilled, 'at least one place')
      .optional()
      .describe('The members of each place, which share its traffic equally: { blue: [http://127.0.0.1:9001, …] }'),
  })
  .check(({ value, issues }) => {
    if (value.places !== undefined && value.addresses !== undefined)
      issues.push({ code: 'custom', path: ['addresses'], input: value, message: 'give either addresses or places, not both' });
    if (value.places === undefined && value.addresses === undefined)
      issues.push({ code: 'custom', path: ['places'], input: value, message: 'at least one place' });
    for (const { path, message } of doubles(value))
      issues.push({ code: 'custom', path: ['places', ...path], input: value, message });
  });

export type LocalConfig = z.infer<typeof localConfig>;

/** What the settings say of places and members. */
export type LocalPlaces = Pick<LocalConfig, 'addresses' | 'places'>;

/** One server behind a place. */
export interface LocalMember {
  /** Unique: `127.0.0.1:9001`; where `addresses` names it, the place. */
  readonly name: string;
  readonly place: string;
  readonly url: string;
}

/** Every member, in the order of the config. */
export function membersIn({ addresses = {}, places = {} }: LocalPlaces): readonly LocalMember[] {
  const short = Object.entries(addresses).map(([place, url]) => ({ name: place, place, url }));
  return [...short, ...urlsOf(places).map(({ place, url }) => ({ name: hostOf(url), place, url }))];
}

/** Each place once, in the order of the config. */
export function placeNames({ addresses = {}, places = {} }: LocalPlaces): readonly string[] {
  return [...Object.keys(addresses), ...Object.keys(places)];
}

function isFilled(places: object): boolean {
  return Object.keys(places).length > 0;
}

function urlsOf(places: NonNullable<LocalConfig['places']>) {
  return Object.entries(places).flatMap(([place, said]) => {
    if (Array.isArray(said)) return said.map((url, index) => ({ place, url, path: [place, index] }));
    return said.urls.map((url, index) => ({ place, url, path: [place, 'urls', index] }));
  });
}

/** A member of two places would get the traffic of both builds. */
function doubles({ places = {} }: LocalPlaces) {
  const first = new Map<string, string>();
  return urlsOf(places).flatMap(({ place, url, path }) => {
    const host = hostOf(url).replace(/^localhost:/, '127.0.0.1:');
    const other = first.get(host);
    if (other === undefined) first.set(host, place);
    if (other === undefined) return [];
    return [{ path, message: `this URL is already a member of ${other}: each belongs to one place, once` }];
  });
}

/** Host and port. A text that is no URL stands for itself. */
function hostOf(url: string): string {
  if (!URL.canParse(url)) return url;
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? '80' : port}`;
}
