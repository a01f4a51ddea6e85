/** Codes about places and the members behind them: what they mean and what to do. No I/O. */

export const PLACES = {
  TOO_FEW_UP: {
    means: 'A place has too few members up for the traffic that it is to get, or to roll back to. Nothing was changed.',
    example: 'Too few members are up: green needs 2 members up at main for 50 %, and has 1 of 3, without green-2, green-3.',
    causes: [
      'Members of the new build are not started yet, or fail the health check of the router.',
      'The new build has fewer members than the build currently serving, and the config does not say how many are enough.',
      'The known-good build has lost members since the plan was made, so that it could not carry the share that it keeps.',
    ],
    todo: [
      'See which members are down: kvdeploy doctor --env E',
      'Start them, then run the same command again.',
      'If fewer are enough, say how many below the place in the config: minUp: 1',
    ],
  },
};
