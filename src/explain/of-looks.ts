/** Codes that say how things stand, where nothing failed: what they mean and what to do. No I/O. */

export const LOOKS = {
  NEEDS_ATTENTION: {
    means:
      'Something is not as it should be, and nothing more is being done about it. Looking changes nothing; a command that moves traffic did what it could reach.',
    example: 'Drift. The ledger expects green 100 %, the router reports green 50 %, blue 50 %.',
    causes: [
      'Someone moved traffic by hand, or a router came back with an older split.',
      'A build, or a location on another host, does not answer, or another build answers at a place.',
      'A break-glass run waits for its review.',
    ],
    todo: [
      'Put traffic back to what the ledger says: kvdeploy converge --env E',
      'After break-glass: kvdeploy reconcile --env E --reason "…"',
      'See what each place answers: kvdeploy status --env E',
    ],
  },
  NO_IDLE_PLACE: {
    means: 'No place can be given a new build: each gets traffic, has the known-good build, or is missing at a location.',
    example:
      'No place of acme/production/kv-gateway is idle: blue: the known-good build 0b9f1c2d is there; green: it gets 10 % of new requests.',
    causes: [
      'Someone moved traffic by hand.',
      'The config or the router has only one place.',
      'A location has no server of a place.',
    ],
    todo: [
      'See what is at each place: kvdeploy places --env E',
      'Bring traffic that was moved back to what the ledger says: kvdeploy converge --env E',
    ],
  },
  STILL_BAKING: {
    means: '--max-wait ran out while the rollout was healthy but not finished. No one is watching it now.',
    example: 'Still baking at 25 %: --max-wait ran out.',
    causes: ['The steps bake longer than the CI step may run.'],
    todo: ['Continue: kvdeploy resume --env E --max-wait 50m', 'Roll back: kvdeploy abort --env E'],
  },
  INTERRUPTED: {
    means: 'A signal ended the command. The state of the rollout is recorded, but no one is watching it now.',
    example: 'Interrupted while baking at 25 %.',
    causes: ['Ctrl-C, a closed terminal, or a cancelled CI run.'],
    todo: ['Continue: kvdeploy resume --env E', 'Roll back: kvdeploy abort --env E'],
  },
};
