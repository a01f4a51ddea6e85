/** Explanations of the codes about what was asked: command line, names, confirmation, settings that are missing. Data only. */
import type { Code } from './errors.ts';
import type { Explanation } from './explanation.ts';

export const ASKING = {
  BUG: {
    means: 'Something happened that kvdeploy was not written for. Where traffic is, the last line says; nothing was guessed.',
    example: 'This is a bug in kvdeploy: Cannot read properties of undefined',
    causes: ['A fault in kvdeploy itself.', 'Two different versions of kvdeploy that share one state.'],
    todo: [
      'Look where traffic is: kvdeploy status --env E',
      'Run the same command with KVDEPLOY_DEBUG=1 and report what it prints.',
      'If the good build must come back now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  USAGE: {
    means: 'The command line could not be understood, or asks for two things at once. Nothing was looked at or changed.',
    example: 'No environment was named, and there is no default one.',
    causes: ['An option is misspelt, missing or has no value.', 'Two options exclude each other.'],
    todo: ['Read the help of that command: kvdeploy promote --help'],
  },
  UNKNOWN_NAME: {
    means: 'A tenant, environment, service, scene or code was named that does not exist here. Nothing near is ever run instead.',
    example: 'There is no environment "produciton".',
    causes: ['A slip of the keyboard.', 'The config of another repository, or a state directory of another host.'],
    todo: ['Take the name that the error suggests.', 'See which names the config has: kvdeploy validate'],
  },
  SCOPE_UNCLEAR: {
    means: 'The command fits several tenants, services or states, and kvdeploy does not choose between them.',
    example: 'There are several services: api, kv-gateway.',
    causes: ['--tenant or --service was left out where there are several.', 'Two states on this machine hold the same service.'],
    todo: ['Run one of the commands that the error lists, or add --tenant, --service or --state-dir.'],
  },
  GUID_UNCLEAR: {
    means: 'What was typed for a build is not a GUID, or fits several builds. At least 8 characters are needed.',
    example: 'abad1dea fits 2 builds: abad1dea-3333-4aaa-8bbb-000000000042, abad1dea-4444-4aaa-8bbb-000000000043.',
    causes: ['Too few characters.', 'Two builds begin alike.', 'A version was typed in place of a GUID.'],
    todo: ['See every build with its GUID: kvdeploy builds --env E'],
  },
  NO_TERMINAL: {
    means:
      'The command needs a confirmation and there is no terminal to ask on. Text on standard input is never taken for a yes.',
    example: 'Promoting 7c9e6679 in acme/production/kv-gateway needs a confirmation, and there is no terminal to ask on.',
    causes: ['CI, cron, or a pipe on standard input.', '--json or --no-input, which never ask.'],
    todo: ["Say the environment's name yourself: --confirm production", 'Where the environment is not protected: --yes'],
  },
  NOT_CONFIRMED: {
    means: 'The confirmation did not name the environment, so nothing was changed.',
    example: '--confirm staging does not name production; nothing was changed.',
    causes: ['The name of another environment was given or typed.', 'The question was answered with no.'],
    todo: ['Look at the plan again, then confirm this environment: kvdeploy plan --env E --build GUID'],
  },
  UNSAFE_ENVIRONMENT: {
    means: 'A setting of the process turns a protection off for everything, so kvdeploy does not start.',
    example: 'NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off for everything.',
    causes: ['NODE_TLS_REJECT_UNAUTHORIZED=0 in a profile, a CI variable or a container image.'],
    todo: ['Unset it; name a private CA with NODE_EXTRA_CA_CERTS.', 'See what else is set: kvdeploy doctor'],
  },
  NO_ROUTER: {
    means:
      'The service has no router in the config, and none is assumed; or `serve` was asked for a service that has another one.',
    example: 'acme/production/kv-gateway has no router, so nothing can be promoted there.',
    causes: ['router: is missing from the service.', 'The config could not be read, and the ledger knows no router either.'],
    todo: ['Add router: { kind: … } to the service; its form: kvdeploy schema config'],
  },
  NO_GATE: {
    means: 'The service has no gate, so nothing would judge whether a build is healthy, and nothing is promoted.',
    example: 'acme/production/kv-gateway has no gate, so nothing would judge its health.',
    causes: ['gates: is missing or empty.'],
    todo: ['Add a gate of source http-probe or prometheus; its form: kvdeploy schema config'],
  },
  NO_IDENTITY: {
    means: 'The config does not say where a build tells its GUID, so nobody could know which build runs at a place.',
    example: 'acme/production/kv-gateway does not say how a build tells its GUID (identity).',
    causes: ['identity: is missing from the service.'],
    todo: ['Let the build answer with its GUID and add identity: { path, header }; its form: kvdeploy schema config'],
  },
  NOTHING_TO_DO: {
    means: 'There is nothing that this command could do: no rollout is open, or what was asked for is so already.',
    example: 'The last rollout of acme/production/kv-gateway is over: done.',
    causes: ['The rollout ended meanwhile.', 'The command was run twice.', 'Another service or state was meant.'],
    todo: ['See where the scope stands: kvdeploy status --env E', 'Go back from a finished rollout: kvdeploy rollback --env E'],
  },
  KNOWN_GOOD_SERVES: {
    means:
      'A rollback goes to the known-good build, and that one serves everything already. kvdeploy never guesses an earlier one.',
    example: '7c9e6679 (1.41.0) is the known-good build, and it serves everything already.',
    causes: ['The build turned out bad after it had become known-good.'],
    todo: [
      'Name the earlier known-good build; the error lists each with its command: kvdeploy rollback --env E --to GUID',
      'See them again: kvdeploy pointer show --env E',
    ],
  },
  DOCTOR_FAILED: {
    means: 'At least one check of `doctor` says FAIL: something that an emergency would need is not there now.',
    example: '2 of 19 checks failed: router, gate answers.',
    causes: ['Each failed check names its own cause.'],
    todo: ['Do what stands under each FAIL, then look again: kvdeploy doctor --env E'],
  },
} as const satisfies Partial<Record<Code, Explanation>>;
