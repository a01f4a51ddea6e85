/*
 * Claim, fence and hold as a model for spin (https://spinroot.com): who may still move traffic when processes sleep at any
 * moment, take each other's place, and somebody breaks the glass. Every step of a process can be the last one for a long time.
 *
 *   src/engine/claim.ts       take over: fence the leader, end it, read again, claim
 *   src/stores/ownership.ts   claim: link the next segment; append: look, write, look again, and only then acknowledge
 *   src/engine/runner.ts      forbidden: hold and claim, looked at after connecting and right before the first byte leaves
 *   src/break-glass/rescue.ts set the hold, end the leader, then make the changes
 *
 * Holds:  1  no effect of a runner that was fenced and ended
 *         2  once the hold is set and the leader ended, no effect but the rescuer's
 *         3  an acknowledged entry is in the view of everybody who leads later
 *         4  at most one effective leader: whoever makes an effect owns the newest segment
 * Take a guard away and spin finds the way to break one of them: -DNO_LOOK_AFTER_APPEND (with -DREMOTE), -DNO_KILL_BEFORE_CLAIM,
 * -DNO_KILL_BY_RESCUER, -DNO_HOLD_LOOK, -DNO_EXCLUSIVE_LINK.
 * -DREMOTE: processes cannot be ended (another host). Then 3 still holds and 1, 2 and 4 do not: -DREMOTE_EFFECTS shows it (R43).
 */
#ifndef RUNNERS
#define RUNNERS 2
#endif
#define SEGMENTS 4                      /* more claims than these runners can make */

byte newest = 0;                        /* segments 1 to newest are linked; 0: an empty ledger */
byte owner[SEGMENTS];
bool fenced[SEGMENTS];
bool released[SEGMENTS];
byte lines[SEGMENTS];                   /* written so far */
byte accepted[SEGMENTS];                /* how many of them the next segment's claim counts */
bool hold = false;
bool alive[RUNNERS] = true;
bool over[RUNNERS] = false;             /* was fenced and ended, as far as who did it knows */
bool rescued = false;                   /* the rescuer begins its changes */

inline end_process(who) {
  d_step {
#ifndef REMOTE
    alive[who] = false;
#endif
    over[who] = true
  }
}

/* stands(): not fenced, and no segment after it. Two looks, in this order. */
inline look_at_claim() {
  mine = !fenced[segment];
  mine = mine && newest == segment
}

/* Writes one line and acknowledges it only when the claim still stands after the write. */
inline append(is_release) {
  look_at_claim();
  if :: !mine -> goto gone :: else fi;
  d_step { lines[segment]++; released[segment] = released[segment] || is_release };
  seen = lines[segment];
#ifndef NO_LOOK_AFTER_APPEND
  look_at_claim();
#endif
  if
  :: !mine -> goto gone                 /* in doubt: whoever leads now knows */
  :: else -> d_step {                   /* 3 */
       assert(newest == segment || seen <= accepted[segment])
     }
  fi
}

inline make_change() {
  look_at_claim();
#ifndef NO_HOLD_LOOK
  mine = mine && !hold;
#endif
  if :: !mine -> goto gone :: else fi;
  d_step {                              /* the first byte leaves */
#if !defined(REMOTE) || defined(REMOTE_EFFECTS)
    assert(!over[me]);                  /* 1 */
    assert(!rescued);                   /* 2 */
    assert(newest == segment);          /* 4 */
#endif
    skip
  }
}

proctype runner(byte me) provided (alive[me]) {
  byte segment, seen, before;
  bool mine;

  if :: hold -> goto gone :: else fi;   /* a command refuses to begin under a hold */
  d_step { before = newest; seen = lines[before] };
  if
  :: before == 0 || released[before]    /* nobody leads */
  :: before > 0 && !released[before] -> goto gone   /* busy: it gives signs of life */
  :: before > 0 && !released[before] -> /* it is silent, or a person said to take over */
     fenced[before] = true;
#ifndef NO_KILL_BEFORE_CLAIM
     end_process(owner[before]);
#else
     over[owner[before]] = true;
#endif
     d_step { mine = newest == before; seen = lines[before] }       /* read again: it may have written until then */
     if :: !mine -> goto gone :: else fi
  fi;
  /* claimNext(): the fence first, then the length (it must be as read above), then the link, which only one can make. */
  mine = before == 0 || fenced[before];
  d_step { mine = (mine || released[before]) && newest == before && lines[before] == seen };
  if :: !mine -> goto gone :: else fi;
  d_step {
    if
#ifndef NO_EXCLUSIVE_LINK
    :: newest != before -> mine = false
#endif
    :: else -> segment = before + 1; newest = segment; owner[segment] = me; lines[segment] = 1; accepted[before] = seen
    fi
  };
  if :: !mine -> goto gone :: else fi;
  append(false);                        /* planned */
  make_change();
  append(false);                        /* shifted */
  make_change();
  append(true);                         /* released */
gone:
  skip
}

proctype rescuer() {
  byte leads;
  hold = true;
  leads = newest;
#ifndef NO_KILL_BY_RESCUER
  if
  :: leads > 0 && !released[leads] -> end_process(owner[leads])
  :: else
  fi;
#endif
  rescued = true                        /* its changes ask nobody */
}

init {
  byte next = 0;
  atomic {
    do
    :: next < RUNNERS -> run runner(next); next++
    :: else -> break
    od;
    run rescuer()
  }
}
