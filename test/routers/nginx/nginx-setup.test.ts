import { describe, expect, it } from 'vitest';
import { nginxConfig } from '../../../src/routers/nginx/nginx-config.ts';
import { setupOf } from '../../../src/routers/nginx/nginx-setup.ts';

const INCLUDE = '/etc/nginx/kvdeploy/web.conf';
const LOG = '/var/log/nginx/kv.log';

const config = nginxConfig.parse({
  ...{ include: INCLUDE, probe: 'http://127.0.0.1:8080/.kvdeploy', log: LOG },
  places: {
    blue: { upstream: 'blue_pool', members: ['10.0.0.1:80'] },
    green: { upstream: 'green_pool', members: ['10.0.0.2:80'] },
  },
});

const PARTS = {
  top: 'worker_shutdown_timeout 10s;',
  format: `log_format kv escape=json '{"p":"$kv_place","s":$status,"us":"$upstream_status","ua":"$upstream_addr","rt":$request_time}';`,
  blue: 'server 10.0.0.1;',
  green: 'server 10.0.0.2:80;',
  include: `include ${INCLUDE};`,
  http: '',
  log: `access_log ${LOG} kv;`,
  location: 'proxy_pass http://$kv_upstream;',
};

/** What `nginx -T` prints of a set-up like that of docs/nginx.md, with other parts. */
function setup(other: Partial<typeof PARTS> = {}) {
  const { top, format, blue, green, include, http, log, location } = { ...PARTS, ...other };
  const main = `${top}\nhttp {\n  ${include}\n  ${format}\n  ${http}\n  upstream blue_pool { ${blue} }\n  upstream green_pool { ${green} }
  server { ${log}\n location / { ${location} } }\n}\n`;
  return setupOf(
    config,
    `# configuration file /etc/nginx/nginx.conf:\n${main}\n# configuration file ${INCLUDE}:\nsplit_clients a $kv_place {}\n`,
  );
}

describe('a set-up of nginx that falsifies the split', () => {
  it('the set-up of the page alone is neither refused nor doubted', () => {
    expect(setup()).toEqual({ doubts: [] });
  });

  it.each<[string, Partial<typeof PARTS>, string, string]>([
    ['no shutdown timeout', { top: '' }, 'no worker_shutdown_timeout', 'worker_shutdown_timeout 10s;'],
    ['a shutdown timeout of 0, which is none', { top: 'worker_shutdown_timeout 0;' }, 'no worker_shutdown_timeout', '10s'],
    ['one that is in a comment', { top: '# worker_shutdown_timeout 9s;' }, 'no worker_shutdown_timeout', '10s'],
    ['one of minutes and seconds', { top: 'worker_shutdown_timeout 1m30s;' }, 'worker_shutdown_timeout is 1m30s', '10s'],
    ['one of a day', { top: "worker_shutdown_timeout '1d';" }, 'worker_shutdown_timeout is 1d', '10s'],
    [
      'a place in which the other build stands by',
      { blue: 'server 10.0.0.1:80; server 10.0.0.2:80 backup;' },
      'upstream blue_pool has 10.0.0.2:80, a server of green',
      'Take `server 10.0.0.2:80` out of upstream blue_pool',
    ],
    [
      'weights and sticky clients over both builds',
      { green: 'zone z 64k; sticky cookie s; server 10.0.0.1 weight=99; server 10.0.0.2:80;' },
      'upstream green_pool has 10.0.0.1:80, a server of blue',
      'each place has a block of its own',
    ],
    [
      'a split that only the log knows',
      { location: 'proxy_pass http://blue_pool;', http: 'log_format x $kv_upstream;' },
      'passes nothing to $kv_upstream',
      'proxy_pass http://$kv_upstream;',
    ],
    ['a second split', { http: 'split_clients "${remote_addr}" $kv_place { * blue; }' }, 'sets $kv_… too', 'other names'],
    ['a second map', { http: 'map $host $kv_upstream { default blue_pool; }' }, 'sets $kv_… too', 'other names'],
    ['a variable that is set', { location: `set $kv_upstream blue_pool; ${PARTS.location}` }, 'sets $kv_… too', 'other names'],
    ['a variable of a script', { http: 'js_set $kv_place main.place;' }, 'sets $kv_… too', 'other names'],
    ['an include of every file', { include: 'include /etc/nginx/kvdeploy/*;' }, 'includes every file beside', '*.conf;'],
    ['a relative include of every file', { include: 'include kvdeploy/*;' }, 'includes every file beside', 'a folder of its own'],
  ])('%s is refused with what to do', (_name, other, why, cure) => {
    const { unusable } = setup(other);
    expect(unusable?.why).toContain(why);
    expect(unusable?.cure).toContain(cure);
  });

  it.each([
    ['a time in two parts', { top: 'worker_shutdown_timeout "0m 45s";' }],
    ['an include of some files', { include: 'include /etc/nginx/kvdeploy/*.conf;' }],
    ['a split that is passed on by another variable', { location: 'set $to http://$kv_upstream; proxy_pass $to;' }],
    ['other protocols', { location: 'grpc_pass grpc://${kv_upstream};' }],
    ['a cache with the key of nginx itself', { location: `${PARTS.location} proxy_cache c;` }],
    ['a cache by place', { location: `${PARTS.location} proxy_cache c; proxy_cache_key $kv_place$uri;` }],
    ['a page for errors', { location: `${PARTS.location} error_page 500 502 /50x.html;` }],
    ['a buffered log that is flushed', { log: `access_log ${LOG} kv buffer=64k flush=1s;` }],
  ])('%s is neither refused nor doubted', (_name, other) => {
    expect(setup(other)).toEqual({ doubts: [] });
  });
});

describe('a set-up of nginx that hides a build', () => {
  it.each<[string, Partial<typeof PARTS>, string]>([
    ['a cache for all', { location: `${PARTS.location} proxy_cache c; proxy_cache_key $uri;` }, 'a cache without $kv_place'],
    ['stale answers', { location: `${PARTS.location} proxy_cache_use_stale error;` }, 'proxy_cache_use_stale'],
    ['intercepted errors', { location: `${PARTS.location} proxy_intercept_errors on;` }, 'proxy_intercept_errors'],
    ['errors that go to another build', { location: `${PARTS.location} error_page 502 = @stable;` }, 'error_page sends'],
    [
      'a way past the split',
      { http: 'server { location /api/ { proxy_pass http://blue_pool/; } }' },
      '`proxy_pass http://blue_pool` goes to blue',
    ],
    ['a server that the config has not', { green: 'server 10.0.0.2:80; server 10.0.0.9:80;' }, 'also has 10.0.0.9:80'],
    ['a server that the block has not', { green: 'server 10.0.0.9:80;' }, 'has not 10.0.0.2:80'],
    ['clients bound to one server', { green: 'ip_hash; server 10.0.0.2:80;' }, 'shares unequally among its servers (ip_hash)'],
    ['a server that takes little', { green: 'server 10.0.0.2:80 weight=1 down;' }, '10.0.0.2:80 weight=1'],
    ['a log elsewhere', { log: 'access_log /var/log/nginx/access.log;' }, `no access_log of nginx writes ${LOG}`],
    ['a log in the usual format', { log: `access_log ${LOG};` }, 'lacks p, s, us, ua, rt'],
    ['a format without tries', { format: PARTS.format.replace(/,"us":"[^"]*"/, '') }, `the format of ${LOG} lacks us:`],
    ['a compressed log', { log: `access_log ${LOG} kv gzip flush=1s;` }, 'written with gzip'],
    ['a log of some requests', { log: `access_log ${LOG} kv if=$loggable;` }, 'written with if=$loggable'],
    ['a log that comes late', { log: `access_log ${LOG} kv buffer=64k;` }, 'without flush=1s'],
  ])('%s is named as a doubt, and not refused', (_name, other, doubt) => {
    expect(setup(other).doubts.join('\n')).toContain(doubt);
    expect(setup(other).unusable).toBeUndefined();
  });
});
